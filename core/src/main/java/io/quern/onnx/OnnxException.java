package io.quern.onnx;

/**
 * A model asks for something that cannot be done: an op that is not supported, arguments that do
 * not fit. The message names the model, the node, what was found and what was expected.
 */
public final class OnnxException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** A complaint. */
  public OnnxException(String message) {
    super(message);
  }

  /** A complaint that follows from another one. */
  public OnnxException(String message, Throwable cause) {
    super(message, cause);
  }
}
