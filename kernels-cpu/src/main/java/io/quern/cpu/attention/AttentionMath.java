package io.quern.cpu.attention;

import io.quern.cpu.VectorTier;
import io.quern.runtime.Raw;

/**
 * Loops over rows of scores, with the same bits in both implementations. Rows are {@link #LANES}
 * floats or a multiple of that long, unless stated. Thread-safe.
 */
abstract class AttentionMath {
  /** Lanes of a sum: element i goes to lane {@code i % 64}, and the lanes are folded by halves. */
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

  /** Folds 64 lanes, which are overwritten. */
  abstract float sum(long lanes);

  /** Folds {@code count} lanes, a power of two, by halves. */
  static float fold(long lanes, int count) {
    for (int half = count / 2; half >= 1; half /= 2) {
      for (long at = lanes; at < lanes + 4L * half; at += 4) {
        Raw.putFloat(at, Raw.getFloat(at) + Raw.getFloat(at + 4L * half));
      }
    }
    return Raw.getFloat(lanes);
  }
}
