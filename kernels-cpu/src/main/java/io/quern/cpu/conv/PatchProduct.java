package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Packing;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
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
  PatchProduct(Patches patches, int images, int groups, int channels, @Nullable ConvChain chain) {
    super(chain);
    this.patches = patches;
    this.images = images;
    this.groups = groups;
    this.channels = channels;
    this.packer = new RowPacker(groups, channels, patches.depth());
    int rows = patches.positions() / Math.max(1, patches.columns());
    this.strips =
        patches.isDense()
            ? (rows + patches.stripRows() - 1) / patches.stripRows()
            : (patches.positions() + Patches.STRIP - 1) / Patches.STRIP;
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

  /** All channels of a strip of positions, to which the chain is applied at once. */
  private void strip(Operands call, int chunk) {
    int index = chunk / strips;
    int group = index % groups;
    int strip = patches.isDense() ? patches.stripRows() * patches.columns() : Patches.STRIP;
    int first = chunk % strips * strip;
    int end = Math.min(patches.positions(), first + strip);
    long row = 4L * width;
    long panelBytes = patches.depth() * row;
    long biasBytes = call.kept(BIAS) == 0 ? 0 : (channels + 2L * ROWS) * row;
    long tableBytes = MicroKernel.tableBytes(channels);
    long scratchBytes = panelBytes + biasBytes + tableBytes;
    MemoryPool.Block memory =
        HostMemory.shared().allocate(scratchBytes + (patches.isDense() ? patches.stripBytes() : 0));
    long panel = memory.address();
    long image = call.kept(IMAGES) + index * patches.sourceBytes();
    long channel = 4L * patches.positions();
    long output = call.kept(OUTPUTS) + (long) index * channels * channel;
    long weights = call.kept(WEIGHTS) + group * packer.groupBytes();
    long table = panel + panelBytes;
    MicroKernel.packedRows(table, weights, patches.depth(), channels);
    long bias = 0;
    if (call.kept(BIAS) != 0) {
      bias = table + tableBytes;
      spreadBias(call.kept(BIAS) + 4L * group * channels, bias);
    }
    if (patches.isDense()) {
      rows(image, table, bias, output, first, end, panel, panel + scratchBytes);
    } else {
      panels(image, table, bias, output, first, end, panel);
    }
    long target = output + 4L * first;
    finish(call, (long) index * channels, channels, channel, first, end - first, target);
    HostMemory.shared().free(memory);
  }

  /** Panels of positions, whatever rows they are in. */
  private void panels(
      long image, long table, long bias, long output, int first, int end, long panel) {
    long row = 4L * width;
    for (int at = first; at < end; at += width) {
      int count = Math.min(width, end - at);
      boolean direct = patches.isDirect() && (count == width || !micro.readsWholeRows());
      if (!direct) {
        patches.panel(image, at, count, panel);
      }
      multiply(
          table,
          direct ? image + 4L * at : panel,
          direct ? 4L * patches.positions() : row,
          bias,
          output + 4L * at,
          count);
    }
  }

  /** Panels of one output row after another. */
  private void rows(
      long image, long table, long bias, long output, int first, int end, long panel, long strip) {
    int columns = patches.columns();
    long row = 4L * width;
    patches.strip(image, first / columns, strip);
    for (int at = first; at < end; at += columns) {
      for (int x = 0; x < columns; x += width) {
        int count = Math.min(width, columns - x);
        patches.panelOfStrip(strip, (at - first) / columns, x, panel);
        multiply(table, panel, row, bias, output + 4L * (at + x), count);
      }
    }
  }

  /** All channels of a panel of positions. */
  private void multiply(long table, long panel, long panelRow, long bias, long output, int count) {
    int depth = patches.depth();
    long channel = 4L * patches.positions();
    if (bias == 0) {
      micro.panel(table, offsets, panel, panelRow, depth, output, channel, channels, count, false);
    } else {
      long row = 4L * width;
      micro.panel(
          table, offsets, panel, panelRow, depth, bias, row, output, channel, channels, count);
    }
  }

  /** Rows of a tile for each channel, and for some beyond the last. */
  private void spreadBias(long bias, long to) {
    long row = 4L * width;
    MemoryPool.Block values = HostMemory.shared().allocate(4L * (channels + ROWS));
    Raw.zero(values.address(), 4L * (channels + ROWS));
    Raw.copy(bias, values.address(), 4L * channels);
    for (int c = 0; c < channels; c += ROWS) {
      micro.fill(values.address() + 4L * c, to + c * row, row);
    }
    HostMemory.shared().free(values);
  }
}
