package io.quern.cpu.gemm;

import io.quern.runtime.Raw;

/** The twin without vectors: the tile stays in memory, its rows are loops the compiler unrolls. */
final class ScalarMicroKernel extends MicroKernel {
  private static final int COLUMNS = 16;

  @Override
  public int columns() {
    return COLUMNS;
  }

  @Override
  public String name() {
    return "gemm_f32_6x" + COLUMNS + "_scalar";
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
    if (!accumulate) {
      for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++) {
          Raw.putFloat(c + i * cRow + 4L * j, 0);
        }
      }
    }
    row(a0, step, b, offsets, k, c);
    row(a1, step, b, offsets, k, c + cRow);
    row(a2, step, b, offsets, k, c + 2 * cRow);
    row(a3, step, b, offsets, k, c + 3 * cRow);
    row(a4, step, b, offsets, k, c + 4 * cRow);
    row(a5, step, b, offsets, k, c + 5 * cRow);
  }

  /** Four elements of a row at a time stay in registers over all of k. */
  private static void row(long a, long step, long b, long offsets, long k, long c) {
    for (long j = 0; j < 4 * COLUMNS; j += 16) {
      float s0 = Raw.getFloat(c + j);
      float s1 = Raw.getFloat(c + j + 4);
      float s2 = Raw.getFloat(c + j + 8);
      float s3 = Raw.getFloat(c + j + 12);
      long at = a;
      for (long t = 0; t < k; t++) {
        long from = b + Raw.getInt(offsets + 4 * t) + j;
        float x = Raw.getFloat(at);
        s0 = Math.fma(x, Raw.getFloat(from), s0);
        s1 = Math.fma(x, Raw.getFloat(from + 4), s1);
        s2 = Math.fma(x, Raw.getFloat(from + 8), s2);
        s3 = Math.fma(x, Raw.getFloat(from + 12), s3);
        at += step;
      }
      Raw.putFloat(c + j, s0);
      Raw.putFloat(c + j + 4, s1);
      Raw.putFloat(c + j + 8, s2);
      Raw.putFloat(c + j + 12, s3);
    }
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    for (long i = 0; i < 4 * count; i += 4) {
      Raw.putFloat(to + i, Raw.getFloat(from + i) + bias);
    }
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    for (long t = 0; t < k; t++) {
      for (long j = 0; j < 4 * COLUMNS; j += 4) {
        Raw.putFloat(to + j, Raw.getFloat(from + j));
      }
      from += row;
      to += 4 * COLUMNS;
    }
  }
}
