package io.quern.nn;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.op.Window;
import org.jspecify.annotations.Nullable;

/**
 * 2-D cross-correlation, [n, in, h, w] -> [n, out, oh, ow] with {@code oh = (h + padding - dilation
 * * (kernel - 1) - 1) / stride + 1}, rounded down. Weights: {@code weight} [out, in / groups, kh,
 * kw] and, unless left out, {@code bias} [out], both uniform in +-1/sqrt(in / groups * kh * kw).
 */
public final class Conv2d extends Module {
  private final long in;
  private final Window window;
  private final int groups;
  private final Weight weight;
  private final @Nullable Weight bias;

  private Conv2d(long in, long out, Window window, int groups, boolean biased, Init init) {
    Check.positive("conv2d", "in", in);
    Check.positive("conv2d", "out", out);
    Check.positive("conv2d", "groups", groups);
    Check.require(
        in % groups == 0 && out % groups == 0,
        "conv2d",
        groups + " groups do not divide " + in + " input and " + out + " output channels");
    this.in = in;
    this.window = window;
    this.groups = groups;
    long fanIn = in / groups * window.kernelH() * window.kernelW();
    this.weight =
        parameter(
            "weight",
            init.kaiming("weight", fanIn, out, in / groups, window.kernelH(), window.kernelW()));
    this.bias = biased ? parameter("bias", init.kaiming("bias", fanIn, out)) : null;
  }

  /** A convolution with a square kernel, stride 1, no padding, and bias. */
  public static Conv2d of(long in, long out, int kernel, Rng rng) {
    return of(in, out, Window.of(kernel), rng);
  }

  /** A convolution with bias; kernel, stride, padding and dilation are those of the window. */
  public static Conv2d of(long in, long out, Window window, Rng rng) {
    return of(in, out, window, 1, true, rng);
  }

  /** A convolution whose channels are split into {@code groups} that do not see each other. */
  public static Conv2d of(long in, long out, Window window, int groups, boolean bias, Rng rng) {
    return new Conv2d(in, out, window, groups, bias, Init.random(rng));
  }

  static Conv2d from(Arguments arguments, Init init) {
    return new Conv2d(
        arguments.whole("in"),
        arguments.whole("out"),
        arguments.window(),
        arguments.integer("groups"),
        arguments.bool("bias"),
        init);
  }

  @Override
  LayerSpec spec() {
    Object[] sizes = {
      "in", in, "out", weight.value().dim(0), "groups", groups, "bias", bias != null
    };
    return LayerSpec.of("Conv2d", Arguments.withWindow(window, sizes));
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    Check.require(
        input.rank() == 4 && input.dim(1) == in,
        "conv2d",
        "the input must be [n, " + in + ", height, width], found " + input.shape());
    io.quern.op.Conv2d op = new io.quern.op.Conv2d(window, groups);
    Tensor image = mode.cast(input);
    Tensor filter = mode.cast(weight.value());
    return bias == null
        ? Tensor.apply(op, image, filter)
        : Tensor.apply(op, image, filter, mode.cast(bias.value()));
  }
}
