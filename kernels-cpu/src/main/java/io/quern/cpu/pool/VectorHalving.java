package io.quern.cpu.pool;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * By vectors of columns; neighbours meet by permutations. The last vector of a row moves back to
 * end with it and computes some windows again; only rows shorter than a vector are masked.
 */
final class VectorHalving extends Halving {
  /** One vector of columns has half a vector of windows. */
  private static final VectorSpecies<Float> HALF =
      VectorSpecies.of(float.class, VectorShape.forBitSize(4 * BYTES));

  private static final VectorShuffle<Float> SWAP = VectorShuffle.fromOp(F32, i -> i ^ 1);
  private static final VectorShuffle<Float> TWICE = VectorShuffle.fromOp(F32, i -> i / 2);
  private static final VectorShuffle<Float> EVENS = VectorShuffle.fromOp(F32, i -> 2 * i % LANES);

  /** Bits of a mask that stand for the left column of a window. */
  private static final long LEFT = 0x5555_5555_5555_5555L & (1L << LANES) - 1;

  @Override
  void max(long from, long row, long rows, long n, long to) {
    long down = Raw.inRange(row);
    if (2 * n < LANES) {
      long whole = wholeRows(rows, n, row / 4, LANES / 2);
      for (long i = 0; i < whole; i++) {
        max(Raw.inRange(from + 2 * i * row), down, Raw.inRange(to + 4 * i * n));
      }
      narrowMax(from + 2 * whole * row, row, rows - whole, n, to + 4 * whole * n);
      return;
    }
    long last = 8 * n - BYTES;
    for (long i = 0; i < rows; i++) {
      for (long next = 0; next < 8 * n; next += BYTES) {
        long at = Math.min(next, last);
        max(Raw.inRange(from + at), down, Raw.inRange(to + at / 2));
      }
      from += 2 * row;
      to += 4 * n;
    }
  }

  /** Maxima of the windows of a vector of columns. */
  private static void max(long from, long down, long to) {
    FloatVector upper = FloatVector.fromMemorySegment(F32, ALL, from, ORDER);
    FloatVector lower = FloatVector.fromMemorySegment(F32, ALL, from + down, ORDER);
    FloatVector columns = upper.max(lower);
    FloatVector max = columns.max(columns.rearrange(SWAP));
    ((FloatVector) max.rearrange(EVENS).reinterpretShape(HALF, 0))
        .intoMemorySegment(ALL, to, ORDER);
  }

  private static void narrowMax(long from, long row, long rows, long n, long to) {
    VectorMask<Float> inRow = F32.indexInRange(0, 2 * n);
    VectorMask<Float> windows = F32.indexInRange(0, n);
    for (long i = 0; i < rows; i++) {
      FloatVector upper = FloatVector.fromMemorySegment(F32, ALL, from, ORDER, inRow);
      FloatVector lower = FloatVector.fromMemorySegment(F32, ALL, from + row, ORDER, inRow);
      FloatVector columns = upper.max(lower);
      FloatVector max = columns.max(columns.rearrange(SWAP));
      max.rearrange(EVENS).intoMemorySegment(ALL, to, ORDER, windows);
      from += 2 * row;
      to += 4 * n;
    }
  }

  @Override
  void grad(long from, long row, long rows, long n, long gradient, long to) {
    long down = Raw.inRange(row);
    if (2 * n < LANES) {
      // The last column of an odd number keeps its zeros.
      long whole = row == 8 * n ? wholeRows(rows, n, row / 4, LANES / 2) : 0;
      for (long i = 0; i < whole; i++) {
        long at = 2 * i * row;
        grad(Raw.inRange(from + at), down, Raw.inRange(gradient + 4 * i * n), Raw.inRange(to + at));
      }
      long rest = 2 * whole * row;
      narrowGrad(from + rest, row, rows - whole, n, gradient + 4 * whole * n, to + rest);
      return;
    }
    long last = 8 * n - BYTES;
    for (long i = 0; i < rows; i++) {
      for (long next = 0; next < 8 * n; next += BYTES) {
        long at = Math.min(next, last);
        grad(Raw.inRange(from + at), down, Raw.inRange(gradient + at / 2), Raw.inRange(to + at));
      }
      from += 2 * row;
      to += 2 * row;
      gradient += 4 * n;
    }
  }

  /** Gradients of the windows of a vector of columns. */
  private static void grad(long from, long down, long gradient, long to) {
    FloatVector zero = FloatVector.zero(F32);
    FloatVector upper = FloatVector.fromMemorySegment(F32, ALL, from, ORDER);
    FloatVector lower = FloatVector.fromMemorySegment(F32, ALL, from + down, ORDER);
    FloatVector columns = upper.max(lower);
    FloatVector max = columns.max(columns.rearrange(SWAP));
    long inUpper = upper.compare(VectorOperators.EQ, max).toLong();
    long inLower = lower.compare(VectorOperators.EQ, max).toLong();
    if (max.test(VectorOperators.IS_NAN).anyTrue()) {
      inUpper |= upper.test(VectorOperators.IS_NAN).toLong();
      inLower |= lower.test(VectorOperators.IS_NAN).toLong();
    }
    long hits = first(inUpper, inLower);
    FloatVector g =
        ((FloatVector)
                FloatVector.fromMemorySegment(HALF, ALL, gradient, ORDER).reinterpretShape(F32, 0))
            .rearrange(TWICE);
    zero.blend(g, VectorMask.fromLong(F32, hits & (1L << LANES) - 1))
        .intoMemorySegment(ALL, to, ORDER);
    zero.blend(g, VectorMask.fromLong(F32, hits >>> LANES))
        .intoMemorySegment(ALL, to + down, ORDER);
  }

  private static void narrowGrad(long from, long row, long rows, long n, long gradient, long to) {
    FloatVector zero = FloatVector.zero(F32);
    VectorMask<Float> inRow = F32.indexInRange(0, 2 * n);
    VectorMask<Float> windows = F32.indexInRange(0, n);
    for (long i = 0; i < rows; i++) {
      FloatVector upper = FloatVector.fromMemorySegment(F32, ALL, from, ORDER, inRow);
      FloatVector lower = FloatVector.fromMemorySegment(F32, ALL, from + row, ORDER, inRow);
      FloatVector columns = upper.max(lower);
      FloatVector max = columns.max(columns.rearrange(SWAP));
      long inUpper = upper.compare(VectorOperators.EQ, max).toLong();
      long inLower = lower.compare(VectorOperators.EQ, max).toLong();
      if (max.test(VectorOperators.IS_NAN).anyTrue()) {
        inUpper |= upper.test(VectorOperators.IS_NAN).toLong();
        inLower |= lower.test(VectorOperators.IS_NAN).toLong();
      }
      long hits = first(inUpper, inLower);
      FloatVector g =
          FloatVector.fromMemorySegment(F32, ALL, gradient, ORDER, windows).rearrange(TWICE);
      zero.blend(g, VectorMask.fromLong(F32, hits & (1L << LANES) - 1))
          .intoMemorySegment(ALL, to, ORDER, inRow);
      zero.blend(g, VectorMask.fromLong(F32, hits >>> LANES))
          .intoMemorySegment(ALL, to + row, ORDER, inRow);
      from += 2 * row;
      to += 2 * row;
      gradient += 4 * n;
    }
  }

  /**
   * The first of each window's maxima.
   *
   * @return a bit for each column of the upper row, then for each of the lower
   */
  private static long first(long inUpper, long inLower) {
    long a = inUpper & LEFT;
    long b = inUpper >>> 1 & LEFT & ~a;
    long c = inLower & LEFT & ~(a | b);
    long d = LEFT & ~(a | b | c);
    return a | b << 1 | (c | d << 1) << LANES;
  }
}
