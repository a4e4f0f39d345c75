package io.quern.op;

import io.quern.DType;
import java.util.List;
import java.util.Locale;

/**
 * 2-D pooling, [n, c, h, w] -> [n, c, oh, ow]. Padding is less than the kernel on every side, so
 * each window sees at least one element. Images are of floats, for maxima also of U8 or I8.
 *
 * @param countPadding whether an average divides by the kernel's size even where it covers padding
 */
public record Pool2d(Fn fn, Window window, boolean countPadding) implements Op {
  /** How a window becomes one element. */
  public enum Fn {
    /** NaN when an element is NaN. */
    MAX,
    AVG
  }

  @Override
  public String name() {
    return "pool2d_" + fn.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec image = inputs.getFirst();
    boolean isBytes = image.dtype() == DType.U8 || image.dtype() == DType.I8;
    if (fn != Fn.MAX || !isBytes) {
      OpCheck.floating(name(), image);
    }
    OpCheck.rank(name(), "the input", image, 4);
    OpCheck.require(
        image.shape().dim(2) > 0 && image.shape().dim(3) > 0,
        name(),
        "the input has no pixels, found %s",
        image);
    OpCheck.require(
        Math.max(window.padTop(), window.padBottom()) < window.kernelH()
            && Math.max(window.padLeft(), window.padRight()) < window.kernelW()
            && ((window.dilationH() == 1 && window.dilationW() == 1)
                || window.padding(0).equals(window)),
        name(),
        "padding must be less than the kernel, and 0 with dilation, found %s",
        window);
    return List.of(image.with(window.slide(name(), image.shape())));
  }
}
