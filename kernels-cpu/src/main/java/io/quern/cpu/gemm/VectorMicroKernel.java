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
    FloatVector s00 = FloatVector.zero(F32);
    FloatVector s01 = s00;
    FloatVector s10 = s00;
    FloatVector s11 = s00;
    FloatVector s20 = s00;
    FloatVector s21 = s00;
    FloatVector s30 = s00;
    FloatVector s31 = s00;
    FloatVector s40 = s00;
    FloatVector s41 = s00;
    FloatVector s50 = s00;
    FloatVector s51 = s00;
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
    if (accumulate) {
      s00.add(FloatVector.fromMemorySegment(F32, ALL, c, ORDER)).intoMemorySegment(ALL, c, ORDER);
      s01.add(FloatVector.fromMemorySegment(F32, ALL, c + BYTES, ORDER))
          .intoMemorySegment(ALL, c + BYTES, ORDER);
      s10.add(FloatVector.fromMemorySegment(F32, ALL, c1, ORDER)).intoMemorySegment(ALL, c1, ORDER);
      s11.add(FloatVector.fromMemorySegment(F32, ALL, c1 + BYTES, ORDER))
          .intoMemorySegment(ALL, c1 + BYTES, ORDER);
      s20.add(FloatVector.fromMemorySegment(F32, ALL, c2, ORDER)).intoMemorySegment(ALL, c2, ORDER);
      s21.add(FloatVector.fromMemorySegment(F32, ALL, c2 + BYTES, ORDER))
          .intoMemorySegment(ALL, c2 + BYTES, ORDER);
      s30.add(FloatVector.fromMemorySegment(F32, ALL, c3, ORDER)).intoMemorySegment(ALL, c3, ORDER);
      s31.add(FloatVector.fromMemorySegment(F32, ALL, c3 + BYTES, ORDER))
          .intoMemorySegment(ALL, c3 + BYTES, ORDER);
      s40.add(FloatVector.fromMemorySegment(F32, ALL, c4, ORDER)).intoMemorySegment(ALL, c4, ORDER);
      s41.add(FloatVector.fromMemorySegment(F32, ALL, c4 + BYTES, ORDER))
          .intoMemorySegment(ALL, c4 + BYTES, ORDER);
      s50.add(FloatVector.fromMemorySegment(F32, ALL, c5, ORDER)).intoMemorySegment(ALL, c5, ORDER);
      s51.add(FloatVector.fromMemorySegment(F32, ALL, c5 + BYTES, ORDER))
          .intoMemorySegment(ALL, c5 + BYTES, ORDER);
      return;
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

  @Override
  public void fill(long values, long c, long cRow) {
    for (int i = 0; i < ROWS; i++) {
      FloatVector value = FloatVector.broadcast(F32, ALL.get(FLOAT, values + 4L * i));
      value.intoMemorySegment(ALL, c, ORDER);
      value.intoMemorySegment(ALL, c + BYTES, ORDER);
      c += cRow;
    }
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    FloatVector add = FloatVector.broadcast(F32, bias);
    long bytes = 4 * count;
    if (bytes < BYTES) {
      var mask = F32.indexInRange(0, count);
      FloatVector.fromMemorySegment(F32, ALL, from, ORDER, mask)
          .add(add)
          .intoMemorySegment(ALL, to, ORDER, mask);
      return;
    }
    // The last vector moves back to end with the row.
    for (long next = 0; next < bytes; next += BYTES) {
      long at = Math.min(next, bytes - BYTES);
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .add(add)
          .intoMemorySegment(ALL, to + at, ORDER);
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
