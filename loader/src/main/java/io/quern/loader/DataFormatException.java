package io.quern.loader;

/**
 * Data that are not what their format says. The message names the file, what was found and what was
 * expected there.
 */
public final class DataFormatException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** An exception without a cause. */
  public DataFormatException(String message) {
    super(message);
  }

  /** An exception that follows from another one, such as a failed checksum. */
  public DataFormatException(String message, Throwable cause) {
    super(message, cause);
  }
}
