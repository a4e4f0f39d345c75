package io.quern.nn;

import io.quern.Tensor;

/** {@code max(x, 0)}. */
public final class Relu extends Module {
  /** The activation, which has no weights. */
  public Relu() {}

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Relu");
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.relu();
  }
}
