package io.quern.cpu.optim;

import io.quern.cpu.VectorTier;

/** Loops of the optimiser steps, with the same bits in both implementations. Thread-safe. */
abstract class StepMath {
  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final StepMath INSTANCE =
        VectorTier.chosen().isVector() ? new VectorStepMath() : new ScalarStepMath();
  }

  StepMath() {}

  /** The implementation of this process. */
  static StepMath chosen() {
    return Chosen.INSTANCE;
  }

  /** Addresses of one call: parameter, gradient, velocity, and the two outputs. */
  record Sgd(long p, long g, long v, long pOut, long vOut) {
    Sgd at(long bytes) {
      return new Sgd(p + bytes, g + bytes, v + bytes, pOut + bytes, vOut + bytes);
    }
  }

  /** Addresses of one call: parameter, gradient, m, v, and the three outputs. */
  record Adam(long p, long g, long m, long v, long pOut, long mOut, long vOut) {
    Adam at(long bytes) {
      return new Adam(
          p + bytes, g + bytes, m + bytes, v + bytes, pOut + bytes, mOut + bytes, vOut + bytes);
    }
  }

  /** Factors of {@link io.quern.op.SgdStep}. */
  record SgdFactors(float lr, float momentum, boolean nesterov, float decay) {}

  /**
   * Factors of {@link io.quern.op.AdamStep}: {@code keep} scales the parameter first, {@code decay}
   * adds it to the gradient, {@code rate = lr / c1}, {@code unbias = 1 / c2}.
   */
  record AdamFactors(
      float beta1,
      float oneMinusBeta1,
      float beta2,
      float oneMinusBeta2,
      float epsilon,
      float keep,
      float decay,
      float rate,
      float unbias) {}

  abstract void sgd(Sgd at, SgdFactors factors, long n);

  abstract void adam(Adam at, AdamFactors factors, long n);
}
