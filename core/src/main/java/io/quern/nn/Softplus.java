package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.Unary;

/** {@code log(1 + exp(x))}. */
public final class Softplus extends Module {
  /** The activation, which has no weights. */
  public Softplus() {}

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Softplus");
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.map(Unary.Fn.SOFTPLUS);
  }
}
