package io.quern.cpu.gemm;

import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarMicroKernelF64 extends MicroKernelF64 {
  private final int columns;

  /** A kernel for tiles of that many columns. */
  ScalarMicroKernelF64(int columns) {
    this.columns = columns;
  }

  @Override
  void tile(long a, long b, long k, long c, long cRow, boolean accumulate) {
    double[] sums = new double[columns];
    for (int i = 0; i < ROWS; i++) {
      for (int j = 0; j < columns; j++) {
        sums[j] = 0;
      }
      for (long t = 0; t < k; t++) {
        add(sums, Raw.getDouble(a + 8 * (t * ROWS + i)), b + 8 * t * columns);
      }
      long row = c + i * cRow;
      for (int j = 0; j < columns; j++) {
        double before = accumulate ? Raw.getDouble(row + 8L * j) : 0;
        Raw.putDouble(row + 8L * j, accumulate ? before + sums[j] : sums[j]);
      }
    }
  }

  private static void add(double[] sums, double x, long b) {
    for (int j = 0; j < sums.length; j++) {
      sums[j] = Math.fma(x, Raw.getDouble(b + 8L * j), sums[j]);
    }
  }
}
