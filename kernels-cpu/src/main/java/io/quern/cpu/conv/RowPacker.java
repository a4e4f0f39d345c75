package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Packing;
import io.quern.runtime.Workers;

/** Packs the weights [groups * rows, depth] of a convolution as the micro-kernel's A. */
final class RowPacker implements Packer {
  private static final int FROM = 0;
  private static final int TO = 1;

  private final Weights weights;
  private final Workers.Task<Operands> task = this::group;

  private record Weights(int groups, int rows, int depth) {}

  RowPacker(int groups, int rows, int depth) {
    this.weights = new Weights(groups, rows, depth);
  }

  /** Bytes of the packed weights of one group. */
  long groupBytes() {
    return 4L * weights.depth * ROWS * ((weights.rows + ROWS - 1) / ROWS);
  }

  @Override
  public long bytes() {
    return weights.groups * groupBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(task, call, weights.groups);
  }

  private void group(Operands call, int group) {
    long row = 4L * weights.depth;
    long from = call.kept(FROM) + group * row * weights.rows;
    Packing.packA(from, row, 4, weights.rows, weights.depth, call.kept(TO) + group * groupBytes());
  }

  @Override
  public String name() {
    return "pack_f32_rows_" + ROWS;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RowPacker packer && weights.equals(packer.weights);
  }

  @Override
  public int hashCode() {
    return weights.hashCode();
  }
}
