package io.quern.cpu.attention;

import io.quern.cpu.VectorTier;

/**
 * Loops over rows of scores, with the same bits in both implementations. Rows are {@link #LANES}
 * floats or a multiple of that long, unless stated. Thread-safe.
 */
abstract class AttentionMath {
  /** Lanes of a sum: element i goes to lane {@code i % 64}. */
  static final int LANES = 64;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final AttentionMath INSTANCE =
        VectorTier.chosen().isVector() ? new VectorAttentionMath() : new ScalarAttentionMath();
  }

  AttentionMath() {}

  /** The implementation of this process. */
  static AttentionMath chosen() {
    return Chosen.INSTANCE;
  }

  /** {@code x[i] *= factor}; n is a multiple of the micro-kernel's columns. */
  abstract void scale(long x, float factor, long n);

  /** {@code to[i] = x[i] * factor} for any n. */
  abstract void scale(long x, float factor, long n, long to);

  /** The largest element, leaving out NaN; -infinity when there is no other. */
  abstract float max(long x, long n);

  /** {@code to[i] += x[i]} for any n. */
  abstract void add(long x, long n, long to);

  /** {@code x[i] = exp(x[i] - max)}; {@code lanes = lanes * factor + sums of x}. */
  abstract void expSum(long x, float max, long n, long lanes, float factor);

  /** {@code x[i] = exp(x[i] - max) * factor}. */
  abstract void weights(long x, float max, float factor, long n);

  /** {@code to[i] = weights[i] * (to[i] - mean)}. */
  abstract void scoreGradient(long weights, float mean, long n, long to);
}
