package io.quern.io;

import org.jspecify.annotations.Nullable;

/**
 * A file or stream does not hold what its format demands: it is truncated, corrupt, hostile or of
 * another kind. The message names the source, what was found and what was expected, and the remedy.
 * Nothing was changed by the attempt to read it.
 */
public final class FormatException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /**
   * A complaint about {@code source}.
   *
   * @param source the file, or whatever names the data best
   * @param problem what was found and what was expected
   * @param remedy what the reader of the message can do about it
   */
  public FormatException(Object source, String problem, String remedy) {
    this(source, problem, remedy, null);
  }

  /** A complaint that was noticed by another exception. */
  public FormatException(Object source, String problem, String remedy, @Nullable Throwable cause) {
    super(source + ": " + problem + "; " + remedy, cause);
  }
}
