package io.quern.nn;

import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = x W^T + b} over the last dimension: [.., in] -> [.., out]. Weights: {@code weight}
 * [out, in] and, unless left out, {@code bias} [out], both uniform in +-1/sqrt(in).
 */
public final class Linear extends Module {
  private final long in;
  private final long out;
  private final Weight weight;
  private final @Nullable Weight bias;

  private Linear(long in, long out, boolean biased, boolean zeroBias, Init init) {
    this.in = Check.positive("linear", "in", in);
    this.out = Check.positive("linear", "out", out);
    this.weight = parameter("weight", init.kaiming("weight", in, out, in));
    this.bias = biased ? parameter("bias", bias(zeroBias, init)) : null;
  }

  private Tensor bias(boolean zero, Init init) {
    return zero ? init.constant("bias", 0, out) : init.kaiming("bias", in, out);
  }

  /** A layer with bias. */
  public static Linear of(long in, long out, Rng rng) {
    return of(in, out, true, rng);
  }

  /** A layer with or without bias. */
  public static Linear of(long in, long out, boolean bias, Rng rng) {
    return new Linear(in, out, bias, false, Init.random(rng));
  }

  /** A layer whose bias starts at 0. */
  static Linear withZeroBias(long in, long out, boolean bias, Init init) {
    return new Linear(in, out, bias, true, init);
  }

  static Linear from(Arguments arguments, Init init) {
    return new Linear(
        arguments.whole("in"), arguments.whole("out"), arguments.bool("bias"), false, init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Linear", "in", in, "out", out, "bias", bias != null);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return apply("linear", input, weight.value(), bias == null ? null : bias.value(), mode);
  }

  /** The layer with weight [out, in] and bias [out]. */
  static Tensor apply(String op, Tensor input, Tensor weight, @Nullable Tensor bias, Mode mode) {
    long in = weight.dim(1);
    Shape shape = input.shape();
    Check.require(
        shape.rank() >= 1 && shape.dim(-1) == in,
        op,
        "the input must have shape [.., " + in + "], found " + shape);
    Shape leading = shape.slice(0, shape.rank() - 1);
    Tensor rows = mode.cast(input).reshape(Shape.of(leading.size(), in));
    Tensor result = rows.matmul(mode.cast(weight).transpose(0, 1));
    if (bias != null) {
      result = result.add(mode.cast(bias));
    }
    return result.reshape(leading.concat(Shape.of(weight.dim(0))));
  }
}
