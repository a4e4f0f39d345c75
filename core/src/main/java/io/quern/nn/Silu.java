package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.Unary;

/** {@code x * sigmoid(x)}, also known as swish (Ramachandran et al. 2017). */
public final class Silu extends Module {
  /** The activation, which has no weights. */
  public Silu() {}

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Silu");
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.map(Unary.Fn.SILU);
  }
}
