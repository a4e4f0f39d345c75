package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.Window;

/** What the pooling layers share. */
abstract sealed class Pool2d extends Module permits MaxPool2d, AvgPool2d {
  private final io.quern.op.Pool2d op;

  Pool2d(io.quern.op.Pool2d op) {
    this.op = op;
  }

  static Window window(int kernel) {
    return Window.of(kernel).stride(kernel);
  }

  final io.quern.op.Pool2d op() {
    return op;
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return Tensor.apply(op, input);
  }
}
