package io.quern.cli;

/** Something that the user can mend. The message says how; a stack trace would not help. */
final class UserException extends RuntimeException {
  private static final long serialVersionUID = 1;

  UserException(String message) {
    super(message);
  }

  UserException(String message, Throwable cause) {
    super(message, cause);
  }
}
