package io.quern.cpu.attention;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;

/**
 * Products of a few rows with packed panels, C row-major with whole tiles. For one thread: it keeps
 * the tables of the micro-kernel.
 */
final class Panels {
  private static final MicroKernel MICRO = MicroKernel.chosen();

  /** Columns of a panel. */
  static final int WIDTH = MICRO.columns();

  private final long depth;
  private final Rows rows = new Rows();
  private long packedSteps;
  private long steps;
  private long rowSteps;
  private long table;

  /** Products over at most {@code depth} elements, once {@link #prepare} was called. */
  Panels(long depth) {
    this.depth = depth;
  }

  /** Writes the tables to {@link #tableBytes} of memory. */
  void prepare(long memory) {
    packedSteps = memory;
    steps = packedSteps + 4 * depth;
    rowSteps = steps + 4 * depth;
    table = rowSteps + 4 * depth;
    Packing.offsets(packedSteps, depth, 4L * ROWS);
    Packing.offsets(steps, depth, 4);
    Packing.offsets(rowSteps, depth, AttentionShape.ROW);
  }

  /** Bytes of the tables. */
  static long tableBytes(long depth) {
    return 12 * depth
        + MicroKernel.tableBytes(Math.max(AttentionShape.QUERIES, AttentionShape.KEYS));
  }

  /** Rows of A: the only ones of its panels, so that none are allocated. */
  static final class Rows {
    private long address;

    /** Bytes from a tile of rows to the next. */
    private long tile;

    private long row;

    /** The table of the elements of a row. */
    private long steps;

    private long count;

    private Rows set(long address, long tile, long row, long steps, long count) {
      this.address = address;
      this.tile = tile;
      this.row = row;
      this.steps = steps;
      this.count = count;
      return this;
    }
  }

  /** Rows packed by {@link Packing#packA} with k elements each. */
  Rows packed(long address, long k, long count) {
    return rows.set(address, 4L * ROWS * k, 4, packedSteps, count);
  }

  /** Rows of a block of scores. */
  Rows scores(long address, long count) {
    return rows.set(address, ROWS * AttentionShape.ROW, AttentionShape.ROW, steps, count);
  }

  /** Columns of a block of scores. */
  Rows transposed(long address, long count) {
    return rows.set(address, 4L * ROWS, 4, rowSteps, count);
  }

  /** Bytes of panels for {@code columns} columns of k elements. */
  static long bytes(long columns, long k) {
    return 4 * AttentionShape.roundUp(columns, WIDTH) * k;
  }

  /** Packs a matrix of k rows into panels of k rows each. */
  static void pack(long from, long row, long step, long columns, long k, long to) {
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH)) {
      for (long j = 0; j < columns; j += WIDTH) {
        long count = Math.min(WIDTH, columns - j);
        long panel = to + 4 * j * k;
        Packing.packB(MICRO, from + j * step, row, step, count, k, panel, scratch.address());
      }
    }
  }

  /** C = A B, or C += A B. The panels of B are {@code panel} bytes apart. */
  void multiply(
      Rows a, long b, long panel, long columns, long k, long c, long cRow, boolean accumulate) {
    long rounded = AttentionShape.roundUp(a.count, ROWS);
    for (long i = 0; i < rounded; i += ROWS) {
      MicroKernel.evenRows(table + 8 * i, a.address + i / ROWS * a.tile, a.row, ROWS);
    }
    for (long j = 0; j < columns; j += WIDTH) {
      MICRO.panel(table, a.steps, b, 4L * WIDTH, k, c + 4 * j, cRow, rounded, WIDTH, accumulate);
      b += panel;
    }
  }
}
