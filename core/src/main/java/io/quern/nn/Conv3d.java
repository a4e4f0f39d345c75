package io.quern.nn;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.op.Window;
import io.quern.op.Window3d;
import org.jspecify.annotations.Nullable;

/**
 * 3-D cross-correlation, [n, in, d, h, w] -> [n, out, od, oh, ow] with {@code od = (d + padding -
 * dilation * (kernel - 1) - 1) / stride + 1}, rounded down. Weights: {@code weight} [out, in /
 * groups, kd, kh, kw] and, unless left out, {@code bias} [out], both uniform in +-1/sqrt(in /
 * groups * kd * kh * kw).
 */
public final class Conv3d extends Module {
  private final long in;
  private final Window3d window;
  private final int groups;
  private final Weight weight;
  private final @Nullable Weight bias;

  private Conv3d(long in, long out, Window3d window, int groups, boolean biased, Init init) {
    Check.positive("conv3d", "in", in);
    Check.positive("conv3d", "out", out);
    Check.positive("conv3d", "groups", groups);
    Check.require(
        in % groups == 0 && out % groups == 0,
        "conv3d",
        groups + " groups do not divide " + in + " input and " + out + " output channels");
    this.in = in;
    this.window = window;
    this.groups = groups;
    Window plane = window.plane();
    long[] shape = {out, in / groups, window.kernelD(), plane.kernelH(), plane.kernelW()};
    long fanIn = in / groups * window.kernelD() * plane.kernelH() * plane.kernelW();
    this.weight = parameter("weight", init.kaiming("weight", fanIn, shape));
    this.bias = biased ? parameter("bias", init.kaiming("bias", fanIn, out)) : null;
  }

  /** A convolution with a cube as kernel, stride 1, no padding, and bias. */
  public static Conv3d of(long in, long out, int kernel, Rng rng) {
    return of(in, out, Window3d.of(kernel), rng);
  }

  /** A convolution with bias; kernel, stride, padding and dilation are those of the window. */
  public static Conv3d of(long in, long out, Window3d window, Rng rng) {
    return of(in, out, window, 1, true, rng);
  }

  /** A convolution whose channels are split into {@code groups} that do not see each other. */
  public static Conv3d of(long in, long out, Window3d window, int groups, boolean bias, Rng rng) {
    return new Conv3d(in, out, window, groups, bias, Init.random(rng));
  }

  static Conv3d from(Arguments arguments, Init init) {
    return new Conv3d(
        arguments.whole("in"),
        arguments.whole("out"),
        arguments.window3d(),
        arguments.integer("groups"),
        arguments.bool("bias"),
        init);
  }

  @Override
  LayerSpec spec() {
    Object[] sizes = {
      "in", in, "out", weight.value().dim(0), "groups", groups, "bias", bias != null
    };
    return LayerSpec.of("Conv3d", Arguments.withWindow3d(window, sizes));
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    Check.require(
        input.rank() == 5 && input.dim(1) == in,
        "conv3d",
        "the input must be [n, " + in + ", depth, height, width], found " + input.shape());
    io.quern.op.Conv3d op = new io.quern.op.Conv3d(window, groups);
    Tensor volume = mode.cast(input);
    Tensor filter = mode.cast(weight.value());
    return bias == null
        ? Tensor.apply(op, volume, filter)
        : Tensor.apply(op, volume, filter, mode.cast(bias.value()));
  }
}
