package io.quern.cpu.conv;

import static io.quern.cpu.conv.WinogradTiles.POINTS;

import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.gemm.ColumnPanels;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;

/**
 * Transforms the weights of a 3x3 convolution and packs those of each point into panels. All points
 * of a panel come before the next panel.
 */
final class WinogradPacker implements Packer {
  private static final int FROM = 0;
  private static final int TO = 1;

  /** Input channels whose weights are transformed at once. */
  private static final int BLOCK = 16;

  private final Twins<WinogradTransform> transforms = WinogradTransform.twins();
  private final Transpose transpose = Transpose.chosen();
  private final Weights weights;
  private final ColumnPanels columns;
  private final Workers.Task<Operands> task = this::transformWeights;

  private record Weights(int oc, int c, boolean turned) {}

  /**
   * A packer of weights [oc, c, 3, 3].
   *
   * @param turned whether they lie as [c, oc, 3, 3] and each window is turned around, as for the
   *     gradient of the images of another convolution
   */
  WinogradPacker(ColumnPanels columns, int oc, int c, boolean turned) {
    this.columns = columns;
    this.weights = new Weights(oc, c, turned);
  }

  /** Bytes from the start to the weights of a panel for a point. */
  long offset(int panel, int point) {
    long row = 4L * columns.columns(panel);
    return weights.c * (4L * POINTS * columns.first(panel) + point * row);
  }

  @Override
  public long bytes() {
    return 4L * POINTS * columns.allColumns() * weights.c;
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(task, call, columns.count() * (weights.c / BLOCK));
  }

  private void transformWeights(Operands call, int chunk) {
    int panel = chunk % columns.count();
    int block = chunk / columns.count();
    int width = columns.columns(panel);
    long row = 4L * width;
    MemoryPool.Block memory = HostMemory.shared().allocate(Transpose.SCRATCH + 9L * BLOCK * row);
    long scratch = memory.address();
    long taps = scratch + Transpose.SCRATCH;
    int oc = columns.first(panel);
    int count = Math.min(width, weights.oc - oc);
    gather(call.kept(FROM), oc, count, block * BLOCK, taps, row, scratch);
    long to = call.kept(TO) + offset(panel, 0) + (long) block * BLOCK * row;
    long first = taps + (weights.turned ? 8 : 0) * row;
    long tap = weights.turned ? -row : row;
    transforms.get().weights(first, tap, 9 * row, to, weights.c * row, row, BLOCK, row);
    HostMemory.shared().free(memory);
  }

  /** Transposes weights to rows of taps (c, kh, kw) with a column for each output channel. */
  private void gather(long taps, int oc, int count, int c, long to, long row, long scratch) {
    if (!weights.turned) {
      long from = taps + 36L * ((long) oc * weights.c + c);
      transpose.run(from, 36L * weights.c, count, 9 * BLOCK, to, row, scratch);
      return;
    }
    for (int i = 0; i < BLOCK; i++) {
      long from = taps + 36L * ((long) (c + i) * weights.oc + oc);
      transpose.run(from, 36, count, 9, to + 9L * i * row, row, scratch);
    }
  }

  @Override
  public String name() {
    return "pack_f32_winograd_" + columns.mostColumns();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof WinogradPacker packer
        && columns.equals(packer.columns)
        && weights.equals(packer.weights);
  }

  @Override
  public int hashCode() {
    return weights.hashCode();
  }
}
