package io.quern.serve;

/** The model failed on this request's example, run alone; the cause is what the model threw. */
public final class ModelFailedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  ModelFailedException(String message, Throwable cause) {
    super(message, cause);
  }
}
