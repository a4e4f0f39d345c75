package io.quern.cpu.attention;

import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.cpu.math.ScalarMath;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;

/**
 * Loops over rows of scores, with the same bits in all implementations. Rows are {@link #LANES}
 * floats or a multiple of that long, unless stated. Thread-safe.
 */
abstract class AttentionMath {
  /** Lanes of a sum: element i goes to lane {@code i % 64}. */
  static final int LANES = 64;

  /** Bytes from a row's maximum to the next. */
  static final long MAXIMUM = 64;

  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 3;
    private static final int TRIAL = 256;
    private static final int N = 3 * LANES;

    static final Twins<AttentionMath> TWINS =
        MachineTier.has512Bits()
            ? Twins.only(new MachineAttentionMath())
            : Twins.ofKernel(
                "rows of attention",
                ScalarAttentionMath::new,
                () -> new VectorAttentionMath(),
                one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(AttentionMath one, Operands o) {
      long x = o.address(0);
      long y = o.address(1);
      long lanes = o.address(2);
      float max = one.max(x, N);
      one.expSum(x, max, N, lanes, 0.5f);
      one.weights(y, max, 0.5f, N);
      one.scoreGradient(x, 0.5f, N, y);
      one.scale(x, max, N);
      one.add(x, N - 3, y);
      one.scale(x, 0.5f, N - 3, y);
    }
  }

  AttentionMath() {}

  /** The implementations of this process. */
  static Twins<AttentionMath> twins() {
    return Chosen.TWINS;
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

  /**
   * Makes weights of scores of a block of keys, row by row: adds the mask, takes the largest score
   * so far, and corrects what was summed up by weights before, when it has grown.
   *
   * @param scores rows that are {@link AttentionShape#ROW} bytes apart, filled up with -infinity
   * @param keys elements of a row
   * @param mask the first row's mask, or 0
   * @param maskRow bytes from a row of the mask to the next
   * @param maxima the largest scores so far, {@link #MAXIMUM} bytes apart
   * @param sums {@link #LANES} sums of the weights so far of each row
   * @param result rows of whole vectors that were summed up so far, or 0
   * @param resultRow bytes of such a row
   */
  void toWeights(
      long scores,
      long rows,
      long keys,
      long mask,
      long maskRow,
      long maxima,
      long sums,
      long result,
      long resultRow) {
    long length = AttentionShape.roundUp(keys, LANES);
    for (long i = 0; i < rows; i++) {
      long row = scores + i * AttentionShape.ROW;
      if (mask != 0) {
        add(mask + i * maskRow, keys, row);
      }
      long place = maxima + i * MAXIMUM;
      float before = Raw.getFloat(place);
      float max = Math.max(before, max(row, length));
      float shift = max == Float.NEGATIVE_INFINITY ? 0 : max;
      float factor = ScalarMath.expNegative(before - shift);
      Raw.putFloat(place, max);
      expSum(row, shift, length, sums + 4 * LANES * i, factor);
      if (result != 0) {
        scale(result + i * resultRow, factor, resultRow / 4);
      }
    }
  }

  /**
   * Divides rows by the sums of their weights, 0 where there are none.
   *
   * @param from rows of any n elements, {@code fromRow} bytes apart
   * @param sums {@link #LANES} of each row
   * @param to rows of n elements
   */
  void divide(long from, long fromRow, long sums, long rows, long n, long to) {
    for (long i = 0; i < rows; i++) {
      float sum = SUM.foldLanes(sums + 4 * LANES * i);
      scale(from + i * fromRow, sum == 0 ? 0 : 1 / sum, n, to + 4 * n * i);
    }
  }
}
