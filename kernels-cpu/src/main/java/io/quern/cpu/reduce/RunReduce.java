package io.quern.cpu.reduce;

import io.quern.cpu.VectorTier;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.util.EnumMap;
import java.util.Map;

/**
 * Folds floats that lie side by side to one, in an order that all implementations share: element i
 * goes to lane {@code i % 64}, and the lanes are folded by halves. Thread-safe.
 */
public abstract class RunReduce {
  /** Lanes: enough independent sums to hide the latency of an addition on any machine. */
  static final int LANES = 64;

  /** Bytes of scratch memory that a fold needs. */
  public static final long SCRATCH = 4L * LANES;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final Map<Reduce.Fn, RunReduce> BY_FN = new EnumMap<>(Reduce.Fn.class);

    static {
      boolean vector = VectorTier.chosen().isVector();
      for (Reduce.Fn fn : Reduce.Fn.values()) {
        BY_FN.put(fn, vector ? VectorRunReduce.specialised(fn) : ScalarRunReduce.specialised(fn));
      }
    }
  }

  RunReduce() {}

  /** The implementation of this process. */
  public static RunReduce of(Reduce.Fn fn) {
    return Chosen.BY_FN.get(fn);
  }

  /** Folds {@code n} floats; the fold of none is the neutral element. */
  public final float run(long from, long n, long scratch) {
    long whole = n / LANES * LANES;
    accumulate(from, whole, scratch);
    int rest = (int) (n - whole);
    for (int i = 0; i < rest; i++) {
      long lane = scratch + 4L * i;
      Raw.putFloat(lane, fold(Raw.getFloat(lane), Raw.getFloat(from + 4 * (whole + i))));
    }
    // Lanes that no element has reached are neutral, so folding them in changes nothing.
    int used = (int) Math.min(LANES, n);
    for (int half = LANES / 2; half >= 1; half /= 2) {
      if (half < used) {
        for (int i = 0; i < half; i++) {
          long lane = scratch + 4L * i;
          Raw.putFloat(lane, fold(Raw.getFloat(lane), Raw.getFloat(lane + 4L * half)));
        }
      }
    }
    return Raw.getFloat(scratch);
  }

  /** Folds a row into the accumulators of its columns: {@code to[i] = fold(to[i], from[i])}. */
  public abstract void addRow(long from, long n, long to);

  /** Fills the lanes of the scratch memory with the folds of a multiple of 64 elements. */
  abstract void accumulate(long from, long n, long scratch);

  abstract float fold(float x, float y);

  /** The neutral element of a fold. */
  static float neutral(Reduce.Fn fn) {
    return switch (fn) {
      case SUM -> 0;
      case PROD -> 1;
      case MAX -> Float.NEGATIVE_INFINITY;
      case MIN -> Float.POSITIVE_INFINITY;
    };
  }
}
