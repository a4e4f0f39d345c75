package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Packs a matrix B of k rows and n columns of BF16 into panels of {@value #WIDTH} columns: pairs of
 * a column's elements side by side. Rows beyond the last one, up to {@link BrainPanel#wholeDepth},
 * are zero; columns beyond the last one may be anything.
 */
final class PairPacker implements Packer {
  /** Columns of a panel. */
  static final int WIDTH = 32;

  private static final int BYTES = 2;
  private static final long PANEL_ROW = 2L * BYTES * WIDTH;

  private static final int FROM = 0;
  private static final int TO = 1;

  private final Matrix matrix;
  private final Workers.Task<Operands> task = this::panel;

  /**
   * A matrix.
   *
   * @param row bytes from a row to the next
   * @param step bytes from an element to the next of its row
   */
  private record Matrix(long k, long n, long row, long step) {}

  /** A packer of one matrix; strides in bytes, {@code step} along a row. */
  PairPacker(long k, long n, long row, long step) {
    this.matrix = new Matrix(k, n, row, step);
  }

  long panels() {
    return (matrix.n + WIDTH - 1) / WIDTH;
  }

  long panelBytes() {
    return BYTES * WIDTH * BrainPanel.wholeDepth(matrix.k);
  }

  @Override
  public long bytes() {
    return panels() * panelBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(task, call, Math.toIntExact(panels()));
  }

  private void panel(Operands call, int panel) {
    long from = call.kept(FROM) + (long) panel * WIDTH * matrix.step;
    long to = call.kept(TO) + panel * panelBytes();
    long columns = Math.min(WIDTH, matrix.n - (long) panel * WIDTH);
    long pairs = matrix.k / 2;
    if (matrix.step == BYTES) {
      rows(from, columns, to);
    } else if (matrix.row == BYTES) {
      columns(from, columns, to);
    } else {
      pairs = 0;
    }
    long done = matrix.step == BYTES ? (matrix.k + 1) / 2 : pairs;
    Raw.zero(to + done * PANEL_ROW, panelBytes() - done * PANEL_ROW);
    if (matrix.step != BYTES) {
      elements(from, 2 * pairs, columns, to + pairs * PANEL_ROW);
    }
  }

  /** Of a matrix whose rows are side by side. */
  private void rows(long from, long columns, long to) {
    if (matrix.k > 1) {
      PairMoves.interleave(
          from, from + matrix.row, 2 * matrix.row, to, PANEL_ROW, matrix.k / 2, columns);
    }
    if (matrix.k % 2 == 1) {
      long last = from + (matrix.k - 1) * matrix.row;
      PairMoves.interleave(
          last, 0, matrix.row, to + matrix.k / 2 * PANEL_ROW, PANEL_ROW, 1, columns);
    }
  }

  /** Of one whose columns are: their pairs are what a matrix of 32-bit elements has. */
  private void columns(long from, long columns, long to) {
    MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH);
    Transpose.chosen()
        .run(from, matrix.step, columns, matrix.k / 2, to, PANEL_ROW, scratch.address());
    HostMemory.shared().free(scratch);
  }

  /** One by one, from a row with an even number on. */
  private void elements(long from, long first, long columns, long to) {
    for (long t = first; t < matrix.k; t++) {
      long at = from + t * matrix.row;
      long target = to + (t - first) / 2 * PANEL_ROW + BYTES * (t % 2);
      for (long j = 0; j < columns; j++) {
        Raw.putShort(target + 2L * BYTES * j, Raw.getShort(at + j * matrix.step));
      }
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PairPacker packer && packer.matrix.equals(matrix);
  }

  @Override
  public int hashCode() {
    return matrix.hashCode();
  }

  @Override
  public String name() {
    return "pack_bf16_panels_" + WIDTH;
  }
}
