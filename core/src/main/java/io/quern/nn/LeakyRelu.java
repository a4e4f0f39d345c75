package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.Compare;

/** {@code x} where positive, else {@code slope * x} (Maas et al. 2013). */
public final class LeakyRelu extends Module {
  private final double slope;

  private LeakyRelu(double slope) {
    this.slope = slope;
  }

  /** With slope 0.01. */
  public static LeakyRelu of() {
    return of(0.01);
  }

  /** With another slope. */
  public static LeakyRelu of(double slope) {
    return new LeakyRelu(slope);
  }

  static LeakyRelu from(Arguments arguments) {
    return new LeakyRelu(arguments.number("slope"));
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("LeakyRelu", "slope", slope);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return Tensor.where(input.compare(Compare.Fn.GT, 0), input, input.mul(slope));
  }
}
