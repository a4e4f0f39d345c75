package io.quern.nn;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.op.Window;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Transposed 2-D convolution, [n, in, h, w] -> [n, out, oh, ow] with {@code oh = (h - 1) * stride -
 * padding + dilation * (kernel - 1) + outputPadding + 1}. Weights as in PyTorch: {@code weight}
 * [in, out / groups, kh, kw] and, unless left out, {@code bias} [out], both uniform in +-1/sqrt(out
 * / groups * kh * kw).
 */
public final class ConvTranspose2d extends Module {
  private final long out;
  private final io.quern.op.ConvTranspose2d op;
  private final Weight weight;
  private final @Nullable Weight bias;

  private ConvTranspose2d(
      long in, long out, io.quern.op.ConvTranspose2d op, boolean biased, Init init) {
    Check.positive("conv_transpose2d", "in", in);
    Check.positive("conv_transpose2d", "out", out);
    int groups = (int) Check.positive("conv_transpose2d", "groups", op.groups());
    Check.require(
        in % groups == 0 && out % groups == 0,
        "conv_transpose2d",
        groups + " groups do not divide " + in + " input and " + out + " output channels");
    this.out = out;
    this.op = op;
    Window window = op.window();
    long fanIn = out / groups * window.kernelH() * window.kernelW();
    this.weight =
        parameter(
            "weight",
            init.kaiming("weight", fanIn, in, out / groups, window.kernelH(), window.kernelW()));
    this.bias = biased ? parameter("bias", init.kaiming("bias", fanIn, out)) : null;
  }

  /** With bias, without groups and output padding. */
  public static ConvTranspose2d of(long in, long out, Window window, Rng rng) {
    return of(in, out, new io.quern.op.ConvTranspose2d(window, 1, 0, 0), true, rng);
  }

  /** With the window, groups and output padding of an op. */
  public static ConvTranspose2d of(
      long in, long out, io.quern.op.ConvTranspose2d op, boolean bias, Rng rng) {
    return new ConvTranspose2d(in, out, op, bias, Init.random(rng));
  }

  static ConvTranspose2d from(Arguments arguments, Init init) {
    int[] pad = arguments.integers("outputPadding", 2);
    return new ConvTranspose2d(
        arguments.whole("in"),
        arguments.whole("out"),
        new io.quern.op.ConvTranspose2d(
            arguments.window(), arguments.integer("groups"), pad[0], pad[1]),
        arguments.bool("bias"),
        init);
  }

  @Override
  LayerSpec spec() {
    Object[] sizes = {
      "in", weight.value().dim(0),
      "out", out,
      "groups", op.groups(),
      "outputPadding", List.of(op.outputPadH(), op.outputPadW()),
      "bias", bias != null
    };
    return LayerSpec.of("ConvTranspose2d", Arguments.withWindow(op.window(), sizes));
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    Tensor image = mode.cast(input);
    Tensor filter = mode.cast(weight.value());
    return bias == null
        ? Tensor.apply(op, image, filter)
        : Tensor.apply(op, image, filter, mode.cast(bias.value()));
  }
}
