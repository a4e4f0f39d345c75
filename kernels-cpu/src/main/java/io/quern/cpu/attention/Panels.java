package io.quern.cpu.attention;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;

/** Products of a few rows with packed panels, C row-major with whole tiles. */
final class Panels {
  private static final MicroKernel MICRO = MicroKernel.chosen();

  /** Columns of a panel. */
  static final int WIDTH = MICRO.columns();

  private Panels() {}

  /**
   * Rows of A, the first at {@code address}, tiles of six rows {@code tile} bytes apart, their rows
   * {@code row} bytes, the elements of a row {@code step} bytes.
   */
  record Rows(long address, long tile, long row, long step, long count) {
    /** Rows packed by {@link Packing#packA} with k elements each. */
    static Rows packed(long address, long k, long count) {
      return new Rows(address, 4L * ROWS * k, 4, 4L * ROWS, count);
    }

    /** Rows of a block of scores. */
    static Rows scores(long address, long count) {
      return new Rows(address, ROWS * AttentionShape.ROW, AttentionShape.ROW, 4, count);
    }

    /** Columns of a block of scores. */
    static Rows transposed(long address, long count) {
      return new Rows(address, 4 * ROWS, 4, AttentionShape.ROW, count);
    }
  }

  /** Bytes of panels for {@code columns} columns of k elements. */
  static long bytes(long columns, long k) {
    return 4 * AttentionShape.roundUp(columns, WIDTH) * k;
  }

  /** Packs a matrix of k rows into panels of k rows each. */
  static void pack(long from, long row, long step, long columns, long k, long to) {
    HostMemory.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH);
    for (long j = 0; j < columns; j += WIDTH) {
      long count = Math.min(WIDTH, columns - j);
      long panel = to + 4 * j * k;
      Packing.packB(MICRO, from + j * step, row, step, count, k, panel, scratch.address());
    }
    HostMemory.shared().free(scratch);
  }

  /**
   * C = A B, or C += A B. The panels of B are {@code panel} bytes apart; {@code offsets} is the
   * table of the rows of a panel.
   */
  static void multiply(
      Rows a,
      long b,
      long panel,
      long columns,
      long offsets,
      long k,
      long c,
      long cRow,
      boolean accumulate) {
    for (long j = 0; j < columns; j += WIDTH) {
      long x = a.address;
      long to = c + 4 * j;
      for (long i = 0; i < a.count; i += ROWS) {
        MICRO.tile(
            x,
            x + a.row,
            x + 2 * a.row,
            x + 3 * a.row,
            x + 4 * a.row,
            x + 5 * a.row,
            a.step,
            b,
            offsets,
            k,
            to,
            cRow,
            accumulate);
        x += a.tile;
        to += ROWS * cRow;
      }
      b += panel;
    }
  }
}
