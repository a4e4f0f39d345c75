package io.quern.nn;

import io.quern.Tensor;

/** {@code 1 / (1 + exp(-x))}. */
public final class Sigmoid extends Module {
  /** The activation, which has no weights. */
  public Sigmoid() {}

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Sigmoid");
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.sigmoid();
  }
}
