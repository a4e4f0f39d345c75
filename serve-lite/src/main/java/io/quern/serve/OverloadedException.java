package io.quern.serve;

/**
 * A request was turned away because as many as the queue may hold were waiting already. Nothing of
 * it was kept; trying again later is safe.
 */
public final class OverloadedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  OverloadedException(String message) {
    super(message);
  }
}
