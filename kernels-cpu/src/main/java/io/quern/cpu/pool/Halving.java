package io.quern.cpu.pool;

import io.quern.cpu.VectorTier;
import io.quern.runtime.Raw;

/**
 * Maxima of windows of 2x2 side by side, the usual pooling, and their gradient: one row of windows
 * at a time. This class is the scalar twin. Thread-safe.
 */
class Halving {
  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    static final Halving INSTANCE =
        VectorTier.chosen().isVector() ? new VectorHalving() : new Halving();
  }

  /** The implementation of this process. */
  static Halving chosen() {
    return Chosen.INSTANCE;
  }

  /** Maxima of {@code n} windows over two rows of 2n floats. */
  void max(long top, long bottom, long n, long to) {
    for (long i = 0; i < n; i++) {
      float upper = Math.max(Raw.getFloat(top), Raw.getFloat(top + 4));
      float lower = Math.max(Raw.getFloat(bottom), Raw.getFloat(bottom + 4));
      Raw.putFloat(to + 4 * i, Math.max(upper, lower));
      top += 8;
      bottom += 8;
    }
  }

  /**
   * Hands the gradients of {@code n} windows to their first maxima, 0 to the others; NaN is a
   * maximum.
   */
  void grad(long top, long bottom, long gradient, long n, long toTop, long toBottom) {
    for (long at = 0; at < 8 * n; at += 8) {
      float a = Raw.getFloat(top + at);
      float b = Raw.getFloat(top + at + 4);
      float c = Raw.getFloat(bottom + at);
      float d = Raw.getFloat(bottom + at + 4);
      float max = Math.max(Math.max(a, b), Math.max(c, d));
      int isA = attains(a, max);
      int isB = attains(b, max) & ~isA;
      int isC = attains(c, max) & ~(isA | isB);
      int bits = Raw.getInt(gradient + at / 2);
      Raw.putInt(toTop + at, bits & isA);
      Raw.putInt(toTop + at + 4, bits & isB);
      Raw.putInt(toBottom + at, bits & isC);
      Raw.putInt(toBottom + at + 4, bits & ~(isA | isB | isC));
    }
  }

  /** All bits when {@code x} is the maximum; a mask, since a branch would be mispredicted. */
  private static int attains(float x, float max) {
    int equal = x == max ? -1 : 0;
    return Float.isNaN(x) ? -1 : equal;
  }
}
