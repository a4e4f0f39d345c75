package io.quern.cpu.gemm;

import io.quern.runtime.Raw;

/**
 * The twin without vectors. Rows of the tile stay in memory; four rows of B at a time go over them
 * in loops that the compiler turns into vector instructions by itself.
 */
final class ScalarMicroKernel extends MicroKernel {
  private final int columns;

  /** A kernel for tiles of that many columns. */
  ScalarMicroKernel(int columns) {
    this.columns = columns;
  }

  @Override
  public int columns() {
    return columns;
  }

  @Override
  public String name() {
    return "gemm_f32_6x" + columns + "_scalar";
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
    float[] sums = new float[columns];
    row(a0, step, b, offsets, k, c, accumulate, sums);
    if (a1 == a0) {
      return; // the only row; the others repeat it and are not used
    }
    row(a1, step, b, offsets, k, c + cRow, accumulate, sums);
    row(a2, step, b, offsets, k, c + 2 * cRow, accumulate, sums);
    row(a3, step, b, offsets, k, c + 3 * cRow, accumulate, sums);
    row(a4, step, b, offsets, k, c + 4 * cRow, accumulate, sums);
    row(a5, step, b, offsets, k, c + 5 * cRow, accumulate, sums);
  }

  private void row(
      long a, long step, long b, long offsets, long k, long c, boolean accumulate, float[] sums) {
    for (int j = 0; j < columns; j++) {
      sums[j] = 0;
    }
    long t = 0;
    for (; t + 4 <= k; t += 4) {
      long at = a + t * step;
      four(
          sums,
          Raw.getFloat(at),
          Raw.getFloat(at + step),
          Raw.getFloat(at + 2 * step),
          Raw.getFloat(at + 3 * step),
          b + Raw.getInt(offsets + 4 * t),
          b + Raw.getInt(offsets + 4 * t + 4),
          b + Raw.getInt(offsets + 4 * t + 8),
          b + Raw.getInt(offsets + 4 * t + 12));
    }
    for (; t < k; t++) {
      one(sums, Raw.getFloat(a + t * step), b + Raw.getInt(offsets + 4 * t));
    }
    for (int j = 0; j < columns; j++) {
      Raw.putFloat(c + 4L * j, accumulate ? Raw.getFloat(c + 4L * j) + sums[j] : sums[j]);
    }
  }

  private void four(
      float[] sums, float x0, float x1, float x2, float x3, long b0, long b1, long b2, long b3) {
    for (int j = 0; j < columns; j++) {
      float sum = Math.fma(x0, Raw.getFloat(b0 + 4L * j), sums[j]);
      sum = Math.fma(x1, Raw.getFloat(b1 + 4L * j), sum);
      sum = Math.fma(x2, Raw.getFloat(b2 + 4L * j), sum);
      sums[j] = Math.fma(x3, Raw.getFloat(b3 + 4L * j), sum);
    }
  }

  private void one(float[] sums, float x, long b) {
    for (int j = 0; j < columns; j++) {
      sums[j] = Math.fma(x, Raw.getFloat(b + 4L * j), sums[j]);
    }
  }

  @Override
  public void fill(long values, long c, long cRow) {
    for (int i = 0; i < ROWS; i++) {
      float value = Raw.getFloat(values + 4L * i);
      for (long at = 0; at < 4L * columns; at += 4) {
        Raw.putFloat(c + at, value);
      }
      c += cRow;
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
      Raw.copy(from, to, 4L * columns);
      from += row;
      to += 4L * columns;
    }
  }
}
