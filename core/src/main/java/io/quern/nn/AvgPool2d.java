package io.quern.nn;

import io.quern.op.Pool2d.Fn;
import io.quern.op.Window;

/** Mean of each window, [n, c, h, w] -> [n, c, oh, ow]. */
public final class AvgPool2d extends Pool2d {
  private AvgPool2d(Window window, boolean countPadding) {
    super(new io.quern.op.Pool2d(Fn.AVG, window, countPadding));
  }

  /** Square windows side by side. */
  public static AvgPool2d of(int kernel) {
    return new AvgPool2d(window(kernel), true);
  }

  /**
   * Windows with their own stride and padding.
   *
   * @param countPadding whether padding counts as zeros, or is left out of the mean
   */
  public static AvgPool2d of(Window window, boolean countPadding) {
    return new AvgPool2d(window, countPadding);
  }

  static AvgPool2d from(Arguments arguments) {
    return new AvgPool2d(arguments.window(), arguments.bool("countPadding"));
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of(
        "AvgPool2d", Arguments.withWindow(op().window(), "countPadding", op().countPadding()));
  }
}
