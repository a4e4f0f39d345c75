package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.Unary;

/** {@code x * Phi(x)} with the normal distribution's Phi, exact form (Hendrycks, Gimpel 2016). */
public final class Gelu extends Module {
  /** The activation, which has no weights. */
  public Gelu() {}

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Gelu");
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.map(Unary.Fn.GELU);
  }
}
