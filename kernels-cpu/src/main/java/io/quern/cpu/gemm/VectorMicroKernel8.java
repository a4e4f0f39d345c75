package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** Eight rows: 16 sums hide the latency of the multiply-adds. */
final class VectorMicroKernel8 extends VectorMicroKernel {
  @Override
  void tile(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow) {
    tile(
        Raw.getLong(rows),
        Raw.getLong(rows + 8),
        Raw.getLong(rows + 16),
        Raw.getLong(rows + 24),
        Raw.getLong(rows + 32),
        Raw.getLong(rows + 40),
        Raw.getLong(rows + 48),
        Raw.getLong(rows + 56),
        offsets,
        b,
        bRow,
        k,
        start,
        startRow,
        c,
        cRow);
  }

  private static void tile(
      long a0,
      long a1,
      long a2,
      long a3,
      long a4,
      long a5,
      long a6,
      long a7,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow) {
    long panel = Raw.inRange(b);
    long panelRow = bRow & POSITIVE;
    long table = Raw.inRange(offsets);
    int depth = (int) k;
    a0 = Raw.inRange(a0);
    a1 = Raw.inRange(a1);
    a2 = Raw.inRange(a2);
    a3 = Raw.inRange(a3);
    a4 = Raw.inRange(a4);
    a5 = Raw.inRange(a5);
    a6 = Raw.inRange(a6);
    a7 = Raw.inRange(a7);
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
    FloatVector s60 = s00;
    FloatVector s61 = s00;
    FloatVector s70 = s00;
    FloatVector s71 = s00;
    for (int t = 0; t < depth; t++) {
      long at = Raw.getInt(table + 4L * t) & POSITIVE;
      long row = panel + t * panelRow;
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
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a6 + at));
      s60 = a.fma(b0, s60);
      s61 = a.fma(b1, s61);
      a = FloatVector.broadcast(F32, ALL.get(FLOAT, a7 + at));
      s70 = a.fma(b0, s70);
      s71 = a.fma(b1, s71);
    }
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s00).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s01)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s10).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s11)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s20).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s21)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s30).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s31)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s40).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s41)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s50).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s51)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s60).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s61)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
    start += startRow;
    c += cRow;
    FloatVector.fromMemorySegment(F32, ALL, start, ORDER).add(s70).intoMemorySegment(ALL, c, ORDER);
    FloatVector.fromMemorySegment(F32, ALL, start + BYTES, ORDER)
        .add(s71)
        .intoMemorySegment(ALL, c + BYTES, ORDER);
  }
}
