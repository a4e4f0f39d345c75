package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.cpu.Simd.load;
import static io.quern.cpu.Simd.store;

import io.quern.cpu.Simd;
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

  private static FloatVector splat(long address) {
    return FloatVector.broadcast(F32, Raw.getFloat(address));
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
    FloatVector s00 = load(c);
    FloatVector s01 = load(c + BYTES);
    FloatVector s10 = load(c1);
    FloatVector s11 = load(c1 + BYTES);
    FloatVector s20 = load(c2);
    FloatVector s21 = load(c2 + BYTES);
    FloatVector s30 = load(c3);
    FloatVector s31 = load(c3 + BYTES);
    FloatVector s40 = load(c4);
    FloatVector s41 = load(c4 + BYTES);
    FloatVector s50 = load(c5);
    FloatVector s51 = load(c5 + BYTES);
    long at = 0;
    for (long t = 0; t < k; t++) {
      long row = b + Raw.getInt(offsets + 4 * t);
      FloatVector b0 = load(row);
      FloatVector b1 = load(row + BYTES);
      FloatVector a = splat(a0 + at);
      s00 = a.fma(b0, s00);
      s01 = a.fma(b1, s01);
      a = splat(a1 + at);
      s10 = a.fma(b0, s10);
      s11 = a.fma(b1, s11);
      a = splat(a2 + at);
      s20 = a.fma(b0, s20);
      s21 = a.fma(b1, s21);
      a = splat(a3 + at);
      s30 = a.fma(b0, s30);
      s31 = a.fma(b1, s31);
      a = splat(a4 + at);
      s40 = a.fma(b0, s40);
      s41 = a.fma(b1, s41);
      a = splat(a5 + at);
      s50 = a.fma(b0, s50);
      s51 = a.fma(b1, s51);
      at += step;
    }
    store(s00, c);
    store(s01, c + BYTES);
    store(s10, c1);
    store(s11, c1 + BYTES);
    store(s20, c2);
    store(s21, c2 + BYTES);
    store(s30, c3);
    store(s31, c3 + BYTES);
    store(s40, c4);
    store(s41, c4 + BYTES);
    store(s50, c5);
    store(s51, c5 + BYTES);
  }

  private static void clear(long c, long cRow) {
    FloatVector zero = FloatVector.zero(F32);
    for (int i = 0; i < ROWS; i++) {
      store(zero, c);
      store(zero, c + BYTES);
      c += cRow;
    }
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    FloatVector add = FloatVector.broadcast(F32, bias);
    long bytes = 4 * count;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      store(load(from + at).add(add), to + at);
    }
    if (at < bytes) {
      var mask = Simd.first((bytes - at) / 4);
      store(load(from + at, mask).add(add), to + at, mask);
    }
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    for (long t = 0; t < k; t++) {
      store(load(from), to);
      store(load(from + BYTES), to + BYTES);
      from += row;
      to += 2 * BYTES;
    }
  }
}
