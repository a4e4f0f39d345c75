package io.quern.nn;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.op.Window;
import org.jspecify.annotations.Nullable;

/**
 * 1-D cross-correlation, [n, in, length] -> [n, out, outLength] with {@code outLength = (length + 2
 * * padding - dilation * (kernel - 1) - 1) / stride + 1}, rounded down: a {@link Conv2d} of images
 * that are one pixel high. Weights: {@code weight} [out, in / groups, kernel] and, unless left out,
 * {@code bias} [out], both uniform in +-1/sqrt(in / groups * kernel).
 */
public final class Conv1d extends Module {
  private final Builder options;
  private final Weight weight;
  private final @Nullable Weight bias;

  private Conv1d(Builder options, Init init) {
    this.options = options;
    long fanIn = options.in / options.groups * options.kernel;
    this.weight =
        parameter(
            "weight",
            init.kaiming(
                "weight", fanIn, options.out, options.in / options.groups, options.kernel));
    this.bias = options.bias ? parameter("bias", init.kaiming("bias", fanIn, options.out)) : null;
  }

  /** A convolution with stride 1, no padding, and bias. */
  public static Conv1d of(long in, long out, int kernel, Rng rng) {
    return builder(in, out, kernel).build(rng);
  }

  /** Collects options. */
  public static Builder builder(long in, long out, int kernel) {
    return new Builder(in, out, kernel);
  }

  /** The options of a 1-D convolution. */
  public static final class Builder {
    private final long in;
    private final long out;
    private final int kernel;
    private int stride = 1;
    private int padding;
    private int dilation = 1;
    private int groups = 1;
    private boolean bias = true;

    private Builder(long in, long out, int kernel) {
      this.in = Check.positive("conv1d", "in", in);
      this.out = Check.positive("conv1d", "out", out);
      this.kernel = (int) Check.positive("conv1d", "kernel", kernel);
    }

    private Builder(Builder other) {
      this.in = other.in;
      this.out = other.out;
      this.kernel = other.kernel;
      this.stride = other.stride;
      this.padding = other.padding;
      this.dilation = other.dilation;
      this.groups = other.groups;
      this.bias = other.bias;
    }

    /** Elements from one window to the next. */
    public Builder stride(int value) {
      stride = (int) Check.positive("conv1d", "stride", value);
      return this;
    }

    /** Zeros before the first and after the last element. */
    public Builder padding(int value) {
      Check.require(value >= 0, "conv1d", "padding must not be negative, found " + value);
      padding = value;
      return this;
    }

    /** Elements from one element of a window to the next. */
    public Builder dilation(int value) {
      dilation = (int) Check.positive("conv1d", "dilation", value);
      return this;
    }

    /** Parts of the channels that do not see each other. */
    public Builder groups(int value) {
      groups = (int) Check.positive("conv1d", "groups", value);
      Check.require(
          in % value == 0 && out % value == 0,
          "conv1d",
          value + " groups do not divide " + in + " input and " + out + " output channels");
      return this;
    }

    /** Whether there is a bias. */
    public Builder bias(boolean value) {
      bias = value;
      return this;
    }

    /** The layer with random weights. */
    public Conv1d build(Rng rng) {
      return build(Init.random(rng));
    }

    private Conv1d build(Init init) {
      return new Conv1d(new Builder(this), init);
    }
  }

  static Conv1d from(Arguments arguments, Init init) {
    return builder(arguments.whole("in"), arguments.whole("out"), arguments.integer("kernel"))
        .stride(arguments.integer("stride"))
        .padding(arguments.integer("padding"))
        .dilation(arguments.integer("dilation"))
        .groups(arguments.integer("groups"))
        .bias(arguments.bool("bias"))
        .build(init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of(
        "Conv1d",
        "in",
        options.in,
        "out",
        options.out,
        "kernel",
        options.kernel,
        "stride",
        options.stride,
        "padding",
        options.padding,
        "dilation",
        options.dilation,
        "groups",
        options.groups,
        "bias",
        options.bias);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    Check.require(
        input.rank() == 3 && input.dim(1) == options.in,
        "conv1d",
        "the input must be [n, " + options.in + ", length], found " + input.shape());
    Window window =
        new Window(
            1,
            options.kernel,
            1,
            options.stride,
            0,
            options.padding,
            0,
            options.padding,
            1,
            options.dilation);
    io.quern.op.Conv2d op = new io.quern.op.Conv2d(window, options.groups);
    Tensor image = mode.cast(input).unsqueeze(2);
    Tensor filter = mode.cast(weight.value()).unsqueeze(2);
    Tensor result =
        bias == null
            ? Tensor.apply(op, image, filter)
            : Tensor.apply(op, image, filter, mode.cast(bias.value()));
    return result.squeeze(2);
  }
}
