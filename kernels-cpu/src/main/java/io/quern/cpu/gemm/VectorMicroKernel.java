package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** Six rows by two vectors: twelve accumulators hide the latency of the multiply-adds. */
final class VectorMicroKernel extends MicroKernel {
  @Override
  public int columns() {
    return 2 * LANES;
  }

  @Override
  public String name() {
    return "gemm_f32_6x" + 2 * LANES;
  }

  @Override
  public void tile(
      long a0,
      long a1,
      long a2,
      long a3,
      long a4,
      long a5,
      long step,
      long b,
      long offsets,
      long k,
      long c,
      long cRow,
      boolean accumulate) {
    long c1 = c + cRow;
    long c2 = c1 + cRow;
    long c3 = c2 + cRow;
    long c4 = c3 + cRow;
    long c5 = c4 + cRow;
    // Both ways of starting meet in memory: where vectors of two branches meet in a variable, the
    // compiler sometimes keeps them as objects.
    if (!accumulate) {
      clear(c, cRow);
    }
    FloatVector s00 = FloatVector.fromMemorySegment(F32, ALL, c, ORDER);
    FloatVector s01 = FloatVector.fromMemorySegment(F32, ALL, c + BYTES, ORDER);
    FloatVector s10 = FloatVector.fromMemorySegment(F32, ALL, c1, ORDER);
    FloatVector s11 = FloatVector.fromMemorySegment(F32, ALL, c1 + BYTES, ORDER);
    FloatVector s20 = FloatVector.fromMemorySegment(F32, ALL, c2, ORDER);
    FloatVector s21 = FloatVector.fromMemorySegment(F32, ALL, c2 + BYTES, ORDER);
    FloatVector s30 = FloatVector.fromMemorySegment(F32, ALL, c3, ORDER);
    FloatVector s31 = FloatVector.fromMemorySegment(F32, ALL, c3 + BYTES, ORDER);
    FloatVector s40 = FloatVector.fromMemorySegment(F32, ALL, c4, ORDER);
    FloatVector s41 = FloatVector.fromMemorySegment(F32, ALL, c4 + BYTES, ORDER);
    FloatVector s50 = FloatVector.fromMemorySegment(F32, ALL, c5, ORDER);
    FloatVector s51 = FloatVector.fromMemorySegment(F32, ALL, c5 + BYTES, ORDER);
    long at = 0;
    for (long t = 0; t < k; t++) {
      long row = b + Raw.getInt(offsets + 4 * t);
      FloatVector b0 = FloatVector.fromMemorySegment(F32, ALL, row, ORDER);
      FloatVector b1 = FloatVector.fromMemorySegment(F32, ALL, row + BYTES, ORDER);
      FloatVector a = FloatVector.broadcast(F32, ALL.get(FLOAT, a0 + at));
      s00 = a.fma(b0, s00);
      s01 = a.fma(b1, s01);
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a1 + at));
      s10 = a.fma(b0, s10);
      s11 = a.fma(b1, s11);
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a2 + at));
      s20 = a.fma(b0, s20);
      s21 = a.fma(b1, s21);
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a3 + at));
      s30 = a.fma(b0, s30);
      s31 = a.fma(b1, s31);
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a4 + at));
      s40 = a.fma(b0, s40);
      s41 = a.fma(b1, s41);
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a5 + at));
      s50 = a.fma(b0, s50);
      s51 = a.fma(b1, s51);
      at += step;
    }
    s00.intoMemorySegment(ALL, c, ORDER);
    s01.intoMemorySegment(ALL, c + BYTES, ORDER);
    s10.intoMemorySegment(ALL, c1, ORDER);
    s11.intoMemorySegment(ALL, c1 + BYTES, ORDER);
    s20.intoMemorySegment(ALL, c2, ORDER);
    s21.intoMemorySegment(ALL, c2 + BYTES, ORDER);
    s30.intoMemorySegment(ALL, c3, ORDER);
    s31.intoMemorySegment(ALL, c3 + BYTES, ORDER);
    s40.intoMemorySegment(ALL, c4, ORDER);
    s41.intoMemorySegment(ALL, c4 + BYTES, ORDER);
    s50.intoMemorySegment(ALL, c5, ORDER);
    s51.intoMemorySegment(ALL, c5 + BYTES, ORDER);
  }

  private static void clear(long c, long cRow) {
    FloatVector zero = FloatVector.zero(F32);
    for (int i = 0; i < ROWS; i++) {
      zero.intoMemorySegment(ALL, c, ORDER);
      zero.intoMemorySegment(ALL, c + BYTES, ORDER);
      c += cRow;
    }
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    FloatVector add = FloatVector.broadcast(F32, bias);
    long bytes = 4 * count;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .add(add)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < bytes) {
      var mask = F32.indexInRange(0, (bytes - at) / 4);
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER, mask)
          .add(add)
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    for (long t = 0; t < k; t++) {
      FloatVector.fromMemorySegment(F32, ALL, from, ORDER).intoMemorySegment(ALL, to, ORDER);
      FloatVector.fromMemorySegment(F32, ALL, from + BYTES, ORDER)
          .intoMemorySegment(ALL, to + BYTES, ORDER);
      from += row;
      to += 2L * BYTES;
    }
  }
}
