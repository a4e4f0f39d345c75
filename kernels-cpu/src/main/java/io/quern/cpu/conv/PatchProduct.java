package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Packing;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * A convolution as a product of weights and patches: output channels are the rows of the
 * micro-kernel, positions its columns. Panels of positions are gathered from the image one by one,
 * or read in place.
 */
final class PatchProduct extends ConvProduct {
  /** Panels of a strip, to which the chain is applied at once. */
  private static final int STRIP = 8;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;

  private final MicroKernel micro = MicroKernel.chosen();
  private final int width = micro.columns();
  private final Patches patches;
  private final RowPacker packer;
  private final int images;
  private final int groups;
  private final int channels;
  private final int strips;
  private final Arena owner = Arena.ofAuto();
  private final long offsets;
  private final Workers.Task<Operands> task = this::strip;

  /**
   * Products of {@code images * groups} matrices of patches.
   *
   * @param channels channels of one group of the result
   */
  PatchProduct(Patches patches, int images, int groups, int channels, @Nullable Chain chain) {
    super(chain);
    this.patches = patches;
    this.images = images;
    this.groups = groups;
    this.channels = channels;
    this.packer = new RowPacker(groups, channels, patches.depth());
    this.strips = (patches.positions() + STRIP * width - 1) / (STRIP * width);
    this.offsets = owner.allocate(4L * Math.max(1, patches.depth()), 64).address();
    Packing.offsets(offsets, patches.depth(), 4L * ROWS);
  }

  @Override
  String name() {
    return "";
  }

  @Override
  Packer packer() {
    return packer;
  }

  @Override
  void run(Operands call, long images, long weights, long bias, long outputs) {
    call.keep(IMAGES, images);
    call.keep(WEIGHTS, weights);
    call.keep(BIAS, bias);
    call.keep(OUTPUTS, outputs);
    Workers.shared().run(task, call, this.images * groups * strips);
  }

  /** All channels of a strip of positions. */
  private void strip(Operands call, int chunk) {
    int index = chunk / strips;
    int group = index % groups;
    int first = chunk % strips * STRIP * width;
    int end = Math.min(patches.positions(), first + STRIP * width);
    long row = 4L * width;
    long panelBytes = patches.depth() * row;
    HostMemory.Block memory =
        HostMemory.shared().allocate(panelBytes + ROWS * row + MicroKernel.TABLE);
    long panel = memory.address();
    long image = call.kept(IMAGES) + index * patches.sourceBytes();
    long positions = 4L * patches.positions();
    long output = call.kept(OUTPUTS) + (long) index * channels * positions;
    long weights = call.kept(WEIGHTS) + group * packer.groupBytes();
    long bias = call.kept(BIAS) == 0 ? 0 : call.kept(BIAS) + 4L * group * channels;
    for (int at = first; at < end; at += width) {
      int count = Math.min(width, end - at);
      boolean direct = patches.isDirect() && count == width;
      if (!direct) {
        patches.panel(image, at, count, panel);
      }
      multiply(
          weights,
          direct ? image + 4L * at : panel,
          direct ? positions : row,
          bias,
          output + 4L * at,
          count,
          panel + panelBytes);
    }
    long target = output + 4L * first;
    finish(call, (long) index * channels, channels, positions, first, end - first, target);
    HostMemory.shared().free(memory);
  }

  /** All channels of a panel of positions; tiles that hang over the edge are computed aside. */
  private void multiply(
      long weights, long panel, long panelRow, long bias, long output, int count, long aside) {
    long row = 4L * width;
    long table = aside + ROWS * row;
    long channel = 4L * patches.positions();
    for (int c = 0; c < channels; c += ROWS) {
      MicroKernel.evenRows(table, weights + 4L * c * patches.depth(), 4);
      boolean whole = c + ROWS <= channels && count == width;
      long tile = whole ? output + c * channel : aside;
      long tileRow = whole ? channel : row;
      if (whole && bias != 0) {
        micro.fill(bias + 4L * c, tile, tileRow);
      }
      micro.tile(
          table, offsets, panel, panelRow, patches.depth(), tile, tileRow, whole && bias != 0);
      for (int i = 0; !whole && i < Math.min(ROWS, channels - c); i++) {
        float add = bias == 0 ? 0 : Raw.getFloat(bias + 4L * (c + i));
        micro.copyRow(aside + i * row, output + (c + i) * channel, count, add);
      }
    }
  }
}
