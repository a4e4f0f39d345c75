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
    return "gemm_f32_" + ROWS + "x" + columns + "_scalar";
  }

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
    float[] sums = new float[columns];
    long first = Raw.getLong(rows);
    for (int i = 0; i < ROWS; i++) {
      long row = Raw.getLong(rows + 8L * i);
      if (i > 0 && row == first) {
        return; // the only row; the others repeat it and are not used
      }
      row(row, offsets, b, bRow, k, start + i * startRow, c + i * cRow, sums);
    }
  }

  private void row(
      long a, long offsets, long b, long bRow, long k, long start, long c, float[] sums) {
    for (int j = 0; j < columns; j++) {
      sums[j] = 0;
    }
    long t = 0;
    for (; t + 4 <= k; t += 4) {
      long at = offsets + 4 * t;
      four(
          sums,
          Raw.getFloat(a + Raw.getInt(at)),
          Raw.getFloat(a + Raw.getInt(at + 4)),
          Raw.getFloat(a + Raw.getInt(at + 8)),
          Raw.getFloat(a + Raw.getInt(at + 12)),
          b,
          b + bRow,
          b + 2 * bRow,
          b + 3 * bRow);
      b += 4 * bRow;
    }
    for (; t < k; t++) {
      one(sums, Raw.getFloat(a + Raw.getInt(offsets + 4 * t)), b);
      b += bRow;
    }
    for (int j = 0; j < columns; j++) {
      Raw.putFloat(c + 4L * j, Raw.getFloat(start + 4L * j) + sums[j]);
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
  public void copyRows(
      long from, long fromRow, long to, long toRow, long rows, long count, float bias) {
    for (long i = 0; i < rows; i++) {
      copyRow(from + i * fromRow, to + i * toRow, count, bias);
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

  @Override
  public void gatherRows(long from, long offsets, long k, long to) {
    for (long t = 0; t < k; t++) {
      Raw.copy(from + Raw.getInt(offsets + 4 * t), to + 4L * columns * t, 4L * columns);
    }
  }
}
