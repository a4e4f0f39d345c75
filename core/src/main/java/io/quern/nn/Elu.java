package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.Compare;

/** {@code x} where positive, else {@code alpha * (exp(x) - 1)} (Clevert et al. 2016). */
public final class Elu extends Module {
  private final double alpha;

  private Elu(double alpha) {
    this.alpha = alpha;
  }

  /** With alpha 1. */
  public static Elu of() {
    return of(1);
  }

  /** With another alpha. */
  public static Elu of(double alpha) {
    return new Elu(alpha);
  }

  static Elu from(Arguments arguments) {
    return new Elu(arguments.number("alpha"));
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Elu", "alpha", alpha);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    // Cut off at 0: where() discards the other side, but infinity there would make NaN gradients.
    Tensor zero = Tensor.full(0, input.dtype(), input.device());
    Tensor negative = input.minimum(zero).exp().sub(1).mul(alpha);
    return Tensor.where(input.compare(Compare.Fn.GT, 0), input, negative);
  }
}
