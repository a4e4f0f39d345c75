package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** Eight rows in two halves, for JVMs that are not told how to compile them at once. */
final class VectorMicroKernel4 extends VectorMicroKernel {
  @Override
  public void tile(
      long rows, long offsets, long b, long bRow, long k, long c, long cRow, boolean accumulate) {
    half(rows, offsets, b, bRow, k, c, cRow, accumulate);
    half(rows + 32, offsets, b, bRow, k, c + 4 * cRow, cRow, accumulate);
  }

  private static void half(
      long rows, long offsets, long b, long bRow, long k, long c, long cRow, boolean accumulate) {
    long panel = Raw.inRange(b);
    long panelRow = bRow & POSITIVE;
    long table = Raw.inRange(offsets);
    int depth = (int) k;
    long a0 = Raw.inRange(Raw.getLong(rows));
    long a1 = Raw.inRange(Raw.getLong(rows + 8));
    long a2 = Raw.inRange(Raw.getLong(rows + 16));
    long a3 = Raw.inRange(Raw.getLong(rows + 24));
    FloatVector s00 = FloatVector.zero(F32);
    FloatVector s01 = s00;
    FloatVector s10 = s00;
    FloatVector s11 = s00;
    FloatVector s20 = s00;
    FloatVector s21 = s00;
    FloatVector s30 = s00;
    FloatVector s31 = s00;
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
    }
    if (accumulate) {
      s00.add(FloatVector.fromMemorySegment(F32, ALL, c, ORDER)).intoMemorySegment(ALL, c, ORDER);
      s01.add(FloatVector.fromMemorySegment(F32, ALL, c + BYTES, ORDER))
          .intoMemorySegment(ALL, c + BYTES, ORDER);
      c += cRow;
      s10.add(FloatVector.fromMemorySegment(F32, ALL, c, ORDER)).intoMemorySegment(ALL, c, ORDER);
      s11.add(FloatVector.fromMemorySegment(F32, ALL, c + BYTES, ORDER))
          .intoMemorySegment(ALL, c + BYTES, ORDER);
      c += cRow;
      s20.add(FloatVector.fromMemorySegment(F32, ALL, c, ORDER)).intoMemorySegment(ALL, c, ORDER);
      s21.add(FloatVector.fromMemorySegment(F32, ALL, c + BYTES, ORDER))
          .intoMemorySegment(ALL, c + BYTES, ORDER);
      c += cRow;
      s30.add(FloatVector.fromMemorySegment(F32, ALL, c, ORDER)).intoMemorySegment(ALL, c, ORDER);
      s31.add(FloatVector.fromMemorySegment(F32, ALL, c + BYTES, ORDER))
          .intoMemorySegment(ALL, c + BYTES, ORDER);
      return;
    }
    s00.intoMemorySegment(ALL, c, ORDER);
    s01.intoMemorySegment(ALL, c + BYTES, ORDER);
    c += cRow;
    s10.intoMemorySegment(ALL, c, ORDER);
    s11.intoMemorySegment(ALL, c + BYTES, ORDER);
    c += cRow;
    s20.intoMemorySegment(ALL, c, ORDER);
    s21.intoMemorySegment(ALL, c + BYTES, ORDER);
    c += cRow;
    s30.intoMemorySegment(ALL, c, ORDER);
    s31.intoMemorySegment(ALL, c + BYTES, ORDER);
  }
}
