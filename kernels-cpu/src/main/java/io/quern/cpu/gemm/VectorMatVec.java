package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** By vectors along the rows of the matrix. */
final class VectorMatVec extends MatVec {
  private static final long ROW = 4 * LANES;

  /** Four vectors of lanes at a time, which are all of them where vectors have 512 bits. */
  @Override
  void addProducts(long x, long y, long n, long lanes) {
    for (long lane = 0; lane < ROW; lane += 4L * BYTES) {
      addFour(x + lane, y + lane, (int) (n / LANES), lanes + lane);
    }
  }

  private static void addFour(long x, long y, int blocks, long lanes) {
    long a = Raw.inRange(x);
    long b = Raw.inRange(y);
    long to = Raw.inRange(lanes);
    FloatVector s0 = FloatVector.fromMemorySegment(F32, ALL, to, ORDER);
    FloatVector s1 = FloatVector.fromMemorySegment(F32, ALL, to + BYTES, ORDER);
    FloatVector s2 = FloatVector.fromMemorySegment(F32, ALL, to + 2L * BYTES, ORDER);
    FloatVector s3 = FloatVector.fromMemorySegment(F32, ALL, to + 3L * BYTES, ORDER);
    for (int i = 0; i < blocks; i++) {
      long at = i * ROW;
      FloatVector a0 = FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER);
      FloatVector a1 = FloatVector.fromMemorySegment(F32, ALL, a + at + BYTES, ORDER);
      FloatVector a2 = FloatVector.fromMemorySegment(F32, ALL, a + at + 2L * BYTES, ORDER);
      FloatVector a3 = FloatVector.fromMemorySegment(F32, ALL, a + at + 3L * BYTES, ORDER);
      s0 = a0.fma(FloatVector.fromMemorySegment(F32, ALL, b + at, ORDER), s0);
      s1 = a1.fma(FloatVector.fromMemorySegment(F32, ALL, b + at + BYTES, ORDER), s1);
      s2 = a2.fma(FloatVector.fromMemorySegment(F32, ALL, b + at + 2L * BYTES, ORDER), s2);
      s3 = a3.fma(FloatVector.fromMemorySegment(F32, ALL, b + at + 3L * BYTES, ORDER), s3);
    }
    s0.intoMemorySegment(ALL, to, ORDER);
    s1.intoMemorySegment(ALL, to + BYTES, ORDER);
    s2.intoMemorySegment(ALL, to + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, to + 3L * BYTES, ORDER);
  }

  @Override
  void addRows(long factors, long from, long row, long n, long to) {
    long sums = Raw.inRange(to);
    long r0 = Raw.inRange(from);
    long r1 = Raw.inRange(from + row);
    long r2 = Raw.inRange(from + 2 * row);
    long r3 = Raw.inRange(from + 3 * row);
    long r4 = Raw.inRange(from + 4 * row);
    long r5 = Raw.inRange(from + 5 * row);
    long r6 = Raw.inRange(from + 6 * row);
    long r7 = Raw.inRange(from + 7 * row);
    FloatVector x0 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors));
    FloatVector x1 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 4));
    FloatVector x2 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 8));
    FloatVector x3 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 12));
    FloatVector x4 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 16));
    FloatVector x5 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 20));
    FloatVector x6 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 24));
    FloatVector x7 = FloatVector.broadcast(F32, ALL.get(FLOAT, factors + 28));
    int vectors = (int) (n / F32.length());
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector sum = FloatVector.fromMemorySegment(F32, ALL, sums + at, ORDER);
      sum = FloatVector.fromMemorySegment(F32, ALL, r0 + at, ORDER).fma(x0, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r1 + at, ORDER).fma(x1, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r2 + at, ORDER).fma(x2, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r3 + at, ORDER).fma(x3, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r4 + at, ORDER).fma(x4, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r5 + at, ORDER).fma(x5, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r6 + at, ORDER).fma(x6, sum);
      sum = FloatVector.fromMemorySegment(F32, ALL, r7 + at, ORDER).fma(x7, sum);
      sum.intoMemorySegment(ALL, sums + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.addRows(factors, from + done, row, n - done / 4, to + done);
  }
}
