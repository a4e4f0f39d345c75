package io.quern.onnx;

/**
 * A node asks for the elements of a tensor that has none while the model is traced. The model then
 * runs node by node.
 */
final class NeedsValue extends RuntimeException {
  private static final long serialVersionUID = 1;

  NeedsValue(String message) {
    super(message, null, false, false);
  }
}
