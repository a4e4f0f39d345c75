package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import jdk.incubator.vector.FloatVector;

/** By vectors along the rows of the matrix. */
final class VectorMatVec extends MatVec {
  @Override
  void addProducts(long x, long y, long n, long lanes) {
    for (long lane = 0; lane < 4 * LANES; lane += 4L * BYTES) {
      quarter(x + lane, y + lane, n, lanes + lane);
    }
  }

  private static void quarter(long x, long y, long n, long lanes) {
    FloatVector s0 = FloatVector.fromMemorySegment(F32, ALL, lanes, ORDER);
    FloatVector s1 = FloatVector.fromMemorySegment(F32, ALL, lanes + BYTES, ORDER);
    FloatVector s2 = FloatVector.fromMemorySegment(F32, ALL, lanes + 2L * BYTES, ORDER);
    FloatVector s3 = FloatVector.fromMemorySegment(F32, ALL, lanes + 3L * BYTES, ORDER);
    for (long i = 0; i < n; i += LANES) {
      s0 =
          FloatVector.fromMemorySegment(F32, ALL, x, ORDER)
              .fma(FloatVector.fromMemorySegment(F32, ALL, y, ORDER), s0);
      s1 =
          FloatVector.fromMemorySegment(F32, ALL, x + BYTES, ORDER)
              .fma(FloatVector.fromMemorySegment(F32, ALL, y + BYTES, ORDER), s1);
      s2 =
          FloatVector.fromMemorySegment(F32, ALL, x + 2L * BYTES, ORDER)
              .fma(FloatVector.fromMemorySegment(F32, ALL, y + 2L * BYTES, ORDER), s2);
      s3 =
          FloatVector.fromMemorySegment(F32, ALL, x + 3L * BYTES, ORDER)
              .fma(FloatVector.fromMemorySegment(F32, ALL, y + 3L * BYTES, ORDER), s3);
      x += 4 * LANES;
      y += 4 * LANES;
    }
    s0.intoMemorySegment(ALL, lanes, ORDER);
    s1.intoMemorySegment(ALL, lanes + BYTES, ORDER);
    s2.intoMemorySegment(ALL, lanes + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, lanes + 3L * BYTES, ORDER);
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
