package io.quern.cpu.rows;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/**
 * Loops over one row of floats, with the same bits in both implementations. Element i of a sum goes
 * to lane {@code i % 64}, and the lanes are folded by halves. Thread-safe.
 */
abstract class RowMath {
  /** Lanes of a sum. */
  static final int LANES = 64;

  /** Bytes of scratch memory that a sum needs. */
  static final long SCRATCH = 4L * LANES;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 5;
    private static final int TRIAL = 256;
    private static final int N = 213;

    static final Twins<RowMath> TWINS =
        Twins.ofKernel(
            "rows",
            ScalarRowMath::new,
            () -> new VectorRowMath(),
            one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(RowMath one, Operands o) {
      long x = o.address(0);
      long y = o.address(1);
      long to = o.address(2);
      long scratch = o.address(3);
      float[] results = {
        one.max(x, N),
        one.sum(x, N, scratch),
        one.squares(x, 0.5f, N, scratch),
        one.dot(x, y, N, scratch),
        one.sumExp(x, 4, N, scratch),
        one.exp(x, 4, N, to, scratch, y),
        one.fold(scratch)
      };
      Raw.zero(scratch, SCRATCH); // what a fold leaves there is of no use
      one.scale(to, 0.5f, N);
      one.subtractTimes(x, 0.5f, to, N, y);
      one.subtractExp(x, y, 0.25f, N, to);
      one.subtract(to, 0.5f, 0.25f, N, x);
      one.rescale(x, 0.5f, y, N, to);
      one.normalise(to, 0.5f, 2, x, y, N, x);
      one.normalise(x, 0.5f, 2, 0.25f, 3, N, to);
      for (int i = 0; i < results.length; i++) {
        Raw.putFloat(o.address(4) + 4L * i, results[i]);
      }
    }
  }

  RowMath() {}

  /** The implementations of this process. */
  static Twins<RowMath> twins() {
    return Chosen.TWINS;
  }

  /** The largest element, leaving out NaN; -infinity when there is no other. */
  abstract float max(long x, long n);

  /** The sum of {@code x[i]}. */
  abstract float sum(long x, long n, long scratch);

  /** The sum of {@code (x[i] - mean)^2}, fused. */
  abstract float squares(long x, float mean, long n, long scratch);

  /** The sum of {@code x[i] * y[i]}, fused. */
  abstract float dot(long x, long y, long n, long scratch);

  /** {@code to[i] = (x[i] - mean) * y[i]}. */
  abstract void subtractTimes(long x, float mean, long y, long n, long to);

  /** {@code to[i] = x[i] - exp(y[i]) * factor}, fused. */
  abstract void subtractExp(long x, long y, float factor, long n, long to);

  /** The sum of {@code exp(x[i] - y)}. */
  abstract float sumExp(long x, float y, long n, long scratch);

  /**
   * {@code to[i] = exp(x[i] - y)}, their sum to the lanes of the scratch memory, and the largest
   * element of the row {@code next}, which comes from memory meanwhile. Rows do not overlap.
   */
  abstract float exp(long x, float y, long n, long to, long scratch, long next);

  /** Folds the lanes of the scratch memory. */
  abstract float fold(long scratch);

  /** {@code x[i] *= factor}. */
  abstract void scale(long x, float factor, long n);

  /** {@code to[i] = x[i] - first - second}. */
  abstract void subtract(long x, float first, float second, long n, long to);

  /** {@code to[i] = x[i] * scale * gamma[i]}. */
  abstract void rescale(long x, float scale, long gamma, long n, long to);

  /** {@code to[i] = (x[i] - mean) * scale * gamma[i] + beta[i]}, the last two fused. */
  abstract void normalise(long x, float mean, float scale, long gamma, long beta, long n, long to);

  /** {@code to[i] = (x[i] - mean) * scale * gamma + beta}, the last two fused. */
  abstract void normalise(
      long x, float mean, float scale, float gamma, float beta, long n, long to);

  /** Folds the first 16 lanes. */
  static float fold16(long lanes) {
    float x0 = pair(lanes, 32) + pair(lanes + 16, 32);
    float x1 = pair(lanes + 4, 32) + pair(lanes + 20, 32);
    float x2 = pair(lanes + 8, 32) + pair(lanes + 24, 32);
    float x3 = pair(lanes + 12, 32) + pair(lanes + 28, 32);
    return (x0 + x2) + (x1 + x3);
  }

  private static float pair(long at, long distance) {
    return Raw.getFloat(at) + Raw.getFloat(at + distance);
  }
}
