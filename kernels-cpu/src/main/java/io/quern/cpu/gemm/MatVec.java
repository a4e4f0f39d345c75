package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/**
 * Products of matrices and vectors, limited by how fast the matrix is read. This class is the
 * scalar twin. Thread-safe.
 */
class MatVec {
  /** Rows of {@link #addRows}. */
  static final int ROWS = 8;

  /** Lanes of {@link #addProducts}, as many as those of a sum. */
  static final int LANES = 64;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 3;
    private static final int TRIAL = 512;
    private static final int N = 64;

    static final Twins<MatVec> TWINS =
        Twins.ofKernel(
            "products of matrices and vectors",
            MatVec::new,
            () -> new VectorMatVec(),
            one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(MatVec one, Operands o) {
      one.addProducts(o.address(0), o.address(1), TRIAL, o.address(2));
      one.addRows(o.address(0), o.address(1), 4 * N, N, o.address(2));
    }
  }

  /** The implementations of this process. */
  static Twins<MatVec> twins() {
    return Chosen.TWINS;
  }

  /** Adds the products of {@code n} floats, a multiple of 64, to 64 lanes in turn. */
  void addProducts(long x, long y, long n, long lanes) {
    for (long i = 0; i < n; i += LANES) {
      for (long at = 0; at < 4 * LANES; at += 4) {
        long from = 4 * i + at;
        float sum = Raw.getFloat(lanes + at);
        Raw.putFloat(lanes + at, Math.fma(Raw.getFloat(x + from), Raw.getFloat(y + from), sum));
      }
    }
  }

  /**
   * Adds {@value #ROWS} rows of {@code n} floats, each times its factor, to one row.
   *
   * @param factors address of the factors
   * @param row bytes from a row to the next
   */
  void addRows(long factors, long from, long row, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      float sum = Raw.getFloat(to + at);
      for (int i = 0; i < ROWS; i++) {
        sum = Math.fma(Raw.getFloat(factors + 4L * i), Raw.getFloat(from + i * row + at), sum);
      }
      Raw.putFloat(to + at, sum);
    }
  }
}
