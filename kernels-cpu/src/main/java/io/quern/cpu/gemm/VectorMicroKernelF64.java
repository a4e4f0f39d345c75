package io.quern.cpu.gemm;

import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.Simd;
import io.quern.runtime.Raw;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorSpecies;

/** Six rows by two vectors: twelve accumulators hide the latency of the multiply-adds. */
final class VectorMicroKernelF64 extends MicroKernelF64 {
  private static final VectorSpecies<Double> F64 =
      VectorSpecies.of(double.class, Simd.F32.vectorShape());
  private static final int BYTES = Simd.BYTES;

  @Override
  void tile(long a, long b, long k, long c, long cRow, boolean accumulate) {
    DoubleVector s00 = DoubleVector.zero(F64);
    DoubleVector s01 = s00;
    DoubleVector s10 = s00;
    DoubleVector s11 = s00;
    DoubleVector s20 = s00;
    DoubleVector s21 = s00;
    DoubleVector s30 = s00;
    DoubleVector s31 = s00;
    DoubleVector s40 = s00;
    DoubleVector s41 = s00;
    DoubleVector s50 = s00;
    DoubleVector s51 = s00;
    for (long t = 0; t < k; t++) {
      DoubleVector b0 = DoubleVector.fromMemorySegment(F64, ALL, b, ORDER);
      DoubleVector b1 = DoubleVector.fromMemorySegment(F64, ALL, b + BYTES, ORDER);
      DoubleVector x = DoubleVector.broadcast(F64, Raw.getDouble(a));
      s00 = x.fma(b0, s00);
      s01 = x.fma(b1, s01);
      x = DoubleVector.broadcast(F64, Raw.getDouble(a + 8));
      s10 = x.fma(b0, s10);
      s11 = x.fma(b1, s11);
      x = DoubleVector.broadcast(F64, Raw.getDouble(a + 16));
      s20 = x.fma(b0, s20);
      s21 = x.fma(b1, s21);
      x = DoubleVector.broadcast(F64, Raw.getDouble(a + 24));
      s30 = x.fma(b0, s30);
      s31 = x.fma(b1, s31);
      x = DoubleVector.broadcast(F64, Raw.getDouble(a + 32));
      s40 = x.fma(b0, s40);
      s41 = x.fma(b1, s41);
      x = DoubleVector.broadcast(F64, Raw.getDouble(a + 40));
      s50 = x.fma(b0, s50);
      s51 = x.fma(b1, s51);
      a += 8 * ROWS;
      b += 2L * BYTES;
    }
    if (accumulate) {
      s00.add(DoubleVector.fromMemorySegment(F64, ALL, c, ORDER)).intoMemorySegment(ALL, c, ORDER);
      s01.add(DoubleVector.fromMemorySegment(F64, ALL, c + BYTES, ORDER))
          .intoMemorySegment(ALL, c + BYTES, ORDER);
      s10.add(DoubleVector.fromMemorySegment(F64, ALL, c + cRow, ORDER))
          .intoMemorySegment(ALL, c + cRow, ORDER);
      s11.add(DoubleVector.fromMemorySegment(F64, ALL, c + cRow + BYTES, ORDER))
          .intoMemorySegment(ALL, c + cRow + BYTES, ORDER);
      s20.add(DoubleVector.fromMemorySegment(F64, ALL, c + 2 * cRow, ORDER))
          .intoMemorySegment(ALL, c + 2 * cRow, ORDER);
      s21.add(DoubleVector.fromMemorySegment(F64, ALL, c + 2 * cRow + BYTES, ORDER))
          .intoMemorySegment(ALL, c + 2 * cRow + BYTES, ORDER);
      s30.add(DoubleVector.fromMemorySegment(F64, ALL, c + 3 * cRow, ORDER))
          .intoMemorySegment(ALL, c + 3 * cRow, ORDER);
      s31.add(DoubleVector.fromMemorySegment(F64, ALL, c + 3 * cRow + BYTES, ORDER))
          .intoMemorySegment(ALL, c + 3 * cRow + BYTES, ORDER);
      s40.add(DoubleVector.fromMemorySegment(F64, ALL, c + 4 * cRow, ORDER))
          .intoMemorySegment(ALL, c + 4 * cRow, ORDER);
      s41.add(DoubleVector.fromMemorySegment(F64, ALL, c + 4 * cRow + BYTES, ORDER))
          .intoMemorySegment(ALL, c + 4 * cRow + BYTES, ORDER);
      s50.add(DoubleVector.fromMemorySegment(F64, ALL, c + 5 * cRow, ORDER))
          .intoMemorySegment(ALL, c + 5 * cRow, ORDER);
      s51.add(DoubleVector.fromMemorySegment(F64, ALL, c + 5 * cRow + BYTES, ORDER))
          .intoMemorySegment(ALL, c + 5 * cRow + BYTES, ORDER);
      return;
    }
    s00.intoMemorySegment(ALL, c, ORDER);
    s01.intoMemorySegment(ALL, c + BYTES, ORDER);
    s10.intoMemorySegment(ALL, c + cRow, ORDER);
    s11.intoMemorySegment(ALL, c + cRow + BYTES, ORDER);
    s20.intoMemorySegment(ALL, c + 2 * cRow, ORDER);
    s21.intoMemorySegment(ALL, c + 2 * cRow + BYTES, ORDER);
    s30.intoMemorySegment(ALL, c + 3 * cRow, ORDER);
    s31.intoMemorySegment(ALL, c + 3 * cRow + BYTES, ORDER);
    s40.intoMemorySegment(ALL, c + 4 * cRow, ORDER);
    s41.intoMemorySegment(ALL, c + 4 * cRow + BYTES, ORDER);
    s50.intoMemorySegment(ALL, c + 5 * cRow, ORDER);
    s51.intoMemorySegment(ALL, c + 5 * cRow + BYTES, ORDER);
  }
}
