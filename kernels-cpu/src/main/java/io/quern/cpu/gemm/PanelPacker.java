package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;

/**
 * Packs matrices B of k rows and n columns, one after another, into panels of the micro-kernel's
 * width; element (t, j) of a panel lies {@code (t * width + j) * 4} bytes from its start. All
 * panels of some rows come before those of the next rows.
 */
public final class PanelPacker implements Packer {
  private static final int FROM = 0;
  private static final int TO = 1;

  private final MicroKernel micro;
  private final int width;
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

  /** A packer of {@code count} matrices; strides in bytes, {@code step} along a row. */
  PanelPacker(MicroKernel micro, int count, long stride, long n, long k, long row, long step) {
    this(micro, count, stride, n, k, row, step, k);
  }

  /** The same with panels of at most {@code block} rows. */
  public PanelPacker(
      MicroKernel micro, int count, long stride, long n, long k, long row, long step, long block) {
    this.micro = micro;
    this.width = micro.columns();
    this.matrices = new Matrices(count, stride, n, k, row, step, block);
  }

  /** Bytes of one packed matrix. */
  public long matrixBytes() {
    return 4L * width * matrices.k * panels();
  }

  private long panels() {
    return (matrices.n + width - 1) / width;
  }

  @Override
  public long bytes() {
    return matrices.count * matrixBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(task, call, Math.toIntExact(matrices.count * panels()));
  }

  private void panel(Operands call, int chunk) {
    long matrix = chunk / panels();
    long j = chunk % panels() * width;
    long from = call.kept(FROM) + matrix * matrices.stride + j * matrices.step;
    long to = call.kept(TO) + matrix * matrixBytes();
    MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH);
    for (long t = 0; t < matrices.k; t += matrices.block) {
      Packing.packB(
          micro,
          from + t * matrices.row,
          matrices.row,
          matrices.step,
          Math.min(width, matrices.n - j),
          Math.min(matrices.block, matrices.k - t),
          to + panelOffset(t, chunk % panels()),
          scratch.address());
    }
    HostMemory.shared().free(scratch);
  }

  /** Bytes from the start of a packed matrix to a panel of the rows from {@code t} on. */
  public long panelOffset(long t, long panel) {
    long rows = Math.min(matrices.block, matrices.k - t);
    return 4L * width * (t * panels() + panel * rows);
  }

  @Override
  public String name() {
    return "pack_f32_panels_" + width;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PanelPacker packer
        && width == packer.width
        && matrices.equals(packer.matrices);
  }

  @Override
  public int hashCode() {
    return matrices.hashCode();
  }
}
