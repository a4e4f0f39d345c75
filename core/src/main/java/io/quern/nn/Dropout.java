package io.quern.nn;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.op.Compare;

/**
 * Sets elements to zero with probability {@code p} in training and multiplies the others by 1 / (1
 * - p), so that the expectation stays (Srivastava et al. 2014, "inverted"). Lets everything pass in
 * inference. Which elements are dropped follows from the random numbers of the {@link Mode}.
 */
public final class Dropout extends Module {
  private final double p;

  private Dropout(double p) {
    this.p = Check.range("dropout", "p", p, 0, 1);
  }

  /** Drops with probability {@code p}, from 0 to less than 1. */
  public static Dropout of(double p) {
    return new Dropout(p);
  }

  static Dropout from(Arguments arguments) {
    return new Dropout(arguments.number("p"));
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Dropout", "p", p);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return apply(input, p, mode);
  }

  static Tensor apply(Tensor input, double p, Mode mode) {
    if (!mode.isTraining() || p == 0) {
      return input;
    }
    Tensor mask =
        mode.rng()
            .uniform(input.shape(), 0, 1, DType.F32, input.device())
            .compare(Compare.Fn.GE, p)
            .to(input.dtype())
            .mul(1 / (1 - p));
    return input.mul(mask);
  }
}
