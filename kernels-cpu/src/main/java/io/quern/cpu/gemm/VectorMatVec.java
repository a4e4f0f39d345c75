package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import jdk.incubator.vector.FloatVector;

/** By vectors along the rows of the matrix. */
final class VectorMatVec extends MatVec {
  /** The lanes stay in memory, since vectors that a loop carries are sometimes kept as objects. */
  @Override
  void addProducts(long x, long y, long n, long lanes) {
    long row = 4 * LANES;
    long end = x + 4 * n;
    for (; x + 4 * row <= end; x += 4 * row) {
      for (long lane = 0; lane < row; lane += BYTES) {
        long a = x + lane;
        long b = y + lane;
        FloatVector sum = FloatVector.fromMemorySegment(F32, ALL, lanes + lane, ORDER);
        sum =
            FloatVector.fromMemorySegment(F32, ALL, a, ORDER)
                .fma(FloatVector.fromMemorySegment(F32, ALL, b, ORDER), sum);
        sum =
            FloatVector.fromMemorySegment(F32, ALL, a + row, ORDER)
                .fma(FloatVector.fromMemorySegment(F32, ALL, b + row, ORDER), sum);
        sum =
            FloatVector.fromMemorySegment(F32, ALL, a + 2 * row, ORDER)
                .fma(FloatVector.fromMemorySegment(F32, ALL, b + 2 * row, ORDER), sum);
        sum =
            FloatVector.fromMemorySegment(F32, ALL, a + 3 * row, ORDER)
                .fma(FloatVector.fromMemorySegment(F32, ALL, b + 3 * row, ORDER), sum);
        sum.intoMemorySegment(ALL, lanes + lane, ORDER);
      }
      y += 4 * row;
    }
    for (; x < end; x += row) {
      addBlock(x, y, lanes);
      y += row;
    }
  }

  private static void addBlock(long x, long y, long lanes) {
    for (long lane = 0; lane < 4 * LANES; lane += BYTES) {
      FloatVector sum = FloatVector.fromMemorySegment(F32, ALL, lanes + lane, ORDER);
      FloatVector.fromMemorySegment(F32, ALL, x + lane, ORDER)
          .fma(FloatVector.fromMemorySegment(F32, ALL, y + lane, ORDER), sum)
          .intoMemorySegment(ALL, lanes + lane, ORDER);
    }
  }

  @Override
  void addRows(long factors, long from, long row, long n, long to) {
    long whole = 4 * n / BYTES * BYTES;
    FloatVector x0 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors));
    FloatVector x1 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 4));
    FloatVector x2 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 8));
    FloatVector x3 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 12));
    FloatVector x4 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 16));
    FloatVector x5 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 20));
    FloatVector x6 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 24));
    FloatVector x7 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 28));
    long from4 = from + 4 * row;
    for (long at = 0; at < whole; at += BYTES) {
      FloatVector sum = FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER);
      sum = FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER).fma(x0, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from + row + at, ORDER).fma(x1, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from + 2 * row + at, ORDER).fma(x2, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from + 3 * row + at, ORDER).fma(x3, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from4 + at, ORDER).fma(x4, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from4 + row + at, ORDER).fma(x5, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from4 + 2 * row + at, ORDER).fma(x6, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, from4 + 3 * row + at, ORDER).fma(x7, sum);
      sum.intoMemorySegment(ALL, to + at, ORDER);
    }
    super.addRows(factors, from + whole, row, n - whole / 4, to + whole);
  }
}
