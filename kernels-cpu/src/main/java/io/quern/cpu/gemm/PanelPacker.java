package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;

/**
 * Packs matrices B of k rows and n columns, one after another, into panels; element (t, j) of one
 * lies {@code (t * columns + j) * 4} bytes from its start. All panels of some rows come before
 * those of the next rows.
 */
public final class PanelPacker implements Packer {
  private static final int FROM = 0;
  private static final int TO = 1;

  private final ColumnPanels panels;
  private final Matrices matrices;
  private final Workers.Task<Operands> task = this::panel;

  /**
   * Where the matrices lie.
   *
   * @param stride bytes from a matrix to the next
   * @param row bytes from a row to the next
   * @param step bytes from an element to the next of its row
   */
  private record Matrices(
      int count, long stride, long n, long k, long row, long step, long block) {}

  /** A packer of one matrix. */
  PanelPacker(MicroKernel micro, long n, long k, long row, long step) {
    this(ColumnPanels.even(micro, n), 1, 0, n, k, row, step, k);
  }

  /**
   * A packer of {@code count} matrices in panels of at most {@code block} rows; strides in bytes,
   * {@code step} along a row.
   */
  public PanelPacker(
      ColumnPanels panels,
      int count,
      long stride,
      long n,
      long k,
      long row,
      long step,
      long block) {
    this.panels = panels;
    this.matrices = new Matrices(count, stride, n, k, row, step, block);
  }

  /** Bytes of one packed matrix. */
  public long matrixBytes() {
    return 4L * panels.allColumns() * matrices.k;
  }

  @Override
  public long bytes() {
    return matrices.count * matrixBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(task, call, Math.toIntExact((long) matrices.count * panels.count()));
  }

  private void panel(Operands call, int chunk) {
    long matrix = chunk / panels.count();
    int panel = chunk % panels.count();
    long j = panels.first(panel);
    long from = call.kept(FROM) + matrix * matrices.stride + j * matrices.step;
    long to = call.kept(TO) + matrix * matrixBytes();
    MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH);
    for (long t = 0; t < matrices.k; t += matrices.block) {
      Packing.packB(
          panels.micro(panel),
          from + t * matrices.row,
          matrices.row,
          matrices.step,
          Math.min(panels.columns(panel), matrices.n - j),
          Math.min(matrices.block, matrices.k - t),
          to + panelOffset(t, panel),
          scratch.address());
    }
    HostMemory.shared().free(scratch);
  }

  /** Bytes from the start of a packed matrix to a panel of the rows from {@code t} on. */
  public long panelOffset(long t, int panel) {
    long rows = Math.min(matrices.block, matrices.k - t);
    return 4 * (t * panels.allColumns() + panels.first(panel) * rows);
  }

  @Override
  public String name() {
    return "pack_f32_panels_" + panels.mostColumns();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PanelPacker packer
        && panels.equals(packer.panels)
        && matrices.equals(packer.matrices);
  }

  @Override
  public int hashCode() {
    return matrices.hashCode();
  }
}
