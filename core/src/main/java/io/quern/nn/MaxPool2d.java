package io.quern.nn;

import io.quern.op.Pool2d.Fn;
import io.quern.op.Window;

/**
 * Largest element of each window, [n, c, h, w] -> [n, c, oh, ow]; padding never wins. The gradient
 * goes to the first of equal elements.
 */
public final class MaxPool2d extends Pool2d {
  private MaxPool2d(Window window) {
    super(new io.quern.op.Pool2d(Fn.MAX, window, false));
  }

  /** Square windows side by side. */
  public static MaxPool2d of(int kernel) {
    return new MaxPool2d(window(kernel));
  }

  /** Windows with their own stride, padding and dilation. */
  public static MaxPool2d of(Window window) {
    return new MaxPool2d(window);
  }

  static MaxPool2d from(Arguments arguments) {
    return new MaxPool2d(arguments.window());
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("MaxPool2d", Arguments.withWindow(op().window()));
  }
}
