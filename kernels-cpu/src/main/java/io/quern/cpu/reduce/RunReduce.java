package io.quern.cpu.reduce;

import io.quern.cpu.MachineTier;
import io.quern.cpu.VectorTier;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.util.EnumMap;
import java.util.Map;

/**
 * Folds floats that lie side by side to one, in an order that all implementations share: element i
 * of a run goes to lane {@code i % 64}, and the lanes are folded by halves. What a run has beyond a
 * multiple of 64 elements goes to a second set of lanes, which is folded into the first at the end.
 * Thread-safe.
 */
public abstract class RunReduce {
  /** Lanes: enough independent sums to hide the latency of an addition on any machine. */
  public static final int LANES = 64;

  private static final long SET = 4L * LANES;

  /** Bytes of scratch memory that a fold needs. */
  public static final long SCRATCH = 2 * SET;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final Map<Reduce.Fn, RunReduce> BY_FN = new EnumMap<>(Reduce.Fn.class);

    static {
      for (Reduce.Fn fn : Reduce.Fn.values()) {
        BY_FN.put(fn, choose(fn));
      }
    }

    private static RunReduce choose(Reduce.Fn fn) {
      if (MachineTier.has512Bits()) {
        return new MachineRunReduce(fn);
      }
      return VectorTier.chosen().usesApi()
          ? VectorRunReduce.specialised(fn)
          : ScalarRunReduce.specialised(fn);
    }
  }

  RunReduce() {}

  /** The implementation of this process. */
  public static RunReduce of(Reduce.Fn fn) {
    return Chosen.BY_FN.get(fn);
  }

  /** Folds {@code n} floats; the fold of none is the neutral element. */
  public float run(long from, long n, long scratch) {
    clear(scratch);
    add(from, n, scratch);
    return finish(scratch);
  }

  /** Folds {@code count} runs that follow each other in memory, to a float each. */
  public void runs(long from, long n, long count, long to, long scratch) {
    for (long i = 0; i < count; i++) {
      Raw.putFloat(to + 4 * i, run(from + 4 * n * i, n, scratch));
    }
  }

  /** Makes all lanes neutral. */
  public abstract void clear(long scratch);

  /** Folds a run of {@code n} floats into the lanes. */
  final void add(long from, long n, long scratch) {
    long whole = n / LANES * LANES;
    if (whole > 0) {
      accumulate(from, whole, scratch);
    }
    if (whole < n) {
      addRest(from + 4 * whole, n - whole, scratch + SET);
    }
  }

  /** Folds the lanes to one. */
  public final float finish(long scratch) {
    addRow(scratch + SET, LANES, scratch);
    return foldLanes(scratch);
  }

  /** Folds a row into the accumulators of its columns: {@code to[i] = fold(to[i], from[i])}. */
  public abstract void addRow(long from, long n, long to);

  /** As {@link #addRow} for {@code count} rows that follow each other in memory. */
  void addRows(long from, long n, long count, long to) {
    for (long i = 0; i < count; i++) {
      addRow(from + 4 * n * i, n, to);
    }
  }

  /** Folds a multiple of 64 elements into 64 lanes. */
  public abstract void accumulate(long from, long n, long lanes);

  /**
   * As {@link #addRow} for less than 64 elements; no element is stored as part of a vector that the
   * next call, for the same number of elements, loads otherwise.
   */
  abstract void addRest(long from, long n, long to);

  /** Folds 64 lanes by halves. */
  public abstract float foldLanes(long lanes);

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
