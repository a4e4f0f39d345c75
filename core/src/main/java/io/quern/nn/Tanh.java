package io.quern.nn;

import io.quern.Tensor;

/** Hyperbolic tangent. */
public final class Tanh extends Module {
  /** The activation, which has no weights. */
  public Tanh() {}

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Tanh");
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.tanh();
  }
}
