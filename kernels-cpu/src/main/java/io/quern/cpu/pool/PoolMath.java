package io.quern.cpu.pool;

import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/** The inner loops of pooling. This class is the scalar twin. Thread-safe. */
class PoolMath {
  private static final int TRIAL = 256;

  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    static final Twins<PoolMath> TWINS =
        Twins.ofKernel(
            "pooling",
            PoolMath::new,
            VectorPoolMath::new,
            math ->
                Trial.run(
                    4,
                    TRIAL,
                    o -> {
                      math.max(o.address(0), 4, 6, TRIAL - 7, o.address(1));
                      math.sum(o.address(0), 4, 6, TRIAL - 7, o.address(2));
                      math.divide(o.address(2), o.address(3), TRIAL - 7);
                    }));
  }

  PoolMath() {}

  /** The implementations of this process. */
  static Twins<PoolMath> twins() {
    return Chosen.TWINS;
  }

  /**
   * The maxima of {@code terms} runs of {@code n} floats, of which each begins {@code step} bytes
   * behind the one before. The result overlaps none of them.
   */
  void max(long from, long step, int terms, long n, long to) {
    for (long i = 0; i < n; i++) {
      float max = Raw.getFloat(from + 4 * i);
      for (int term = 1; term < terms; term++) {
        max = Math.max(max, Raw.getFloat(from + term * step + 4 * i));
      }
      Raw.putFloat(to + 4 * i, max);
    }
  }

  /** The sums of such runs, the first two first. */
  void sum(long from, long step, int terms, long n, long to) {
    for (long i = 0; i < n; i++) {
      float sum = Raw.getFloat(from + 4 * i);
      for (int term = 1; term < terms; term++) {
        sum += Raw.getFloat(from + term * step + 4 * i);
      }
      Raw.putFloat(to + 4 * i, sum);
    }
  }

  /** Divides {@code n} floats by as many others. */
  void divide(long x, long y, long n) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(x + at, Raw.getFloat(x + at) / Raw.getFloat(y + at));
    }
  }
}
