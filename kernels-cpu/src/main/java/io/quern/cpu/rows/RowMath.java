package io.quern.cpu.rows;

import io.quern.cpu.VectorTier;

/** Loops over one row of floats, with the same bits in both implementations. Thread-safe. */
abstract class RowMath {
  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final RowMath INSTANCE =
        VectorTier.chosen().isVector() ? new VectorRowMath() : new ScalarRowMath();
  }

  RowMath() {}

  /** The implementation of this process. */
  static RowMath chosen() {
    return Chosen.INSTANCE;
  }

  /** {@code to[i] = x[i] - y}. */
  abstract void subtract(long x, float y, long n, long to);

  /** {@code to[i] = exp(x[i] - y)}. */
  abstract void expDifference(long x, float y, long n, long to);

  /** {@code to[i] = x[i] / y}. */
  abstract void divide(long x, float y, long n, long to);

  /** {@code to[i] = (x[i] - y)^2}. */
  abstract void squaredDifference(long x, float y, long n, long to);

  /** {@code to[i] = (x[i] - mean) * scale * gamma[i] + beta[i]}, the last two fused. */
  abstract void normalise(long x, float mean, float scale, long gamma, long beta, long n, long to);
}
