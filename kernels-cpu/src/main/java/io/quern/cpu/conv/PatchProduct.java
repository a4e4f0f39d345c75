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
  private static final int STRIP = 4;
  private static final int PART = 5;

  /** Bytes from an output to what the micro-kernel adds to it, or 0. */
  private static final int TO_ADDED = 6;

  private static final int TASKS_PER_THREAD = 2;

  /**
   * Channels that are enough for a task. Where the image is near and has no more channels than the
   * result, threads share channels, so that none writes to lines of another.
   */
  private static final int LEAST_CHANNELS = 2 * ROWS;

  /** Channels too few for the micro-kernel to ask in time for all that it reads. */
  private static final int FEW_CHANNELS = 2 * ROWS;

  /** Input channels that repay wider tiles, which need fewer loads, for panels in place. */
  private static final int DEEP = 64;

  /** Positions that are copied together for few channels. */
  private static final int COPIED = 512;

  private static final int LINE = 64;

  /** Bytes from a row of such a copy to the next: rows share few sets of the cache. */
  private static final long COPY_PITCH = 4L * COPIED + LINE;

  private final MicroKernel micro;
  private final int width;
  private final Patches patches;
  private final RowPacker packer;
  private final int images;
  private final int groups;
  private final int channels;
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
    boolean isDeep = patches.depth() > DEEP && channels > FEW_CHANNELS;
    this.micro = patches.isDirect() && isDeep ? MicroKernel.wide() : MicroKernel.chosen();
    this.width = micro.columns();
    this.packer = new RowPacker(groups, channels, patches.depth());
    this.offsets = owner.allocate(4L * Math.max(1, patches.depth()), 64).address();
    Packing.offsets(offsets, patches.depth(), 4L * ROWS);
  }

  @Override
  String name() {
    return micro.name();
  }

  @Override
  Packer packer() {
    return packer;
  }

  @Override
  void run(Operands call, long images, long weights, long bias, long outputs) {
    if ((long) this.images * groups * channels * patches.positions() == 0) {
      return;
    }
    call.keep(IMAGES, images);
    call.keep(WEIGHTS, weights);
    call.keep(BIAS, bias);
    call.keep(OUTPUTS, outputs);
    long added = finishesBy(micro) ? added(call) : 0;
    call.keep(TO_ADDED, added == 0 ? 0 : added - outputs);
    int threads = Workers.shared().threads();
    int perImage = (threads + this.images * groups - 1) / (this.images * groups);
    boolean splitsChannels =
        patches.isDirect()
            && patches.isNear()
            && channels >= Math.max(patches.depth() + 1, perImage * LEAST_CHANNELS);
    int parts = threads == 1 || splitsChannels ? 1 : tasksPerThread() * perImage;
    int strip = strip(parts);
    int part = splitsChannels ? roundUp((channels + perImage - 1) / perImage, ROWS) : channels;
    call.keep(STRIP, strip);
    call.keep(PART, part);
    int tasks = this.images * groups * strips(strip) * ((channels + part - 1) / part);
    Workers.shared().run(task, call, tasks);
  }

  /**
   * What is near takes about as long for all threads, which read parts of it one beside another.
   */
  private int tasksPerThread() {
    return patches.isNear() ? 1 : TASKS_PER_THREAD;
  }

  /** Positions of a task: whole rows, or else panels, in so many about equal shares. */
  private int strip(int parts) {
    if (patches.isDense()) {
      return patches.stripRows() * patches.columns();
    }
    int strips = roundUp((patches.positions() + Patches.STRIP - 1) / Patches.STRIP, parts);
    return roundUp((patches.positions() + strips - 1) / strips, width);
  }

  private int strips(int strip) {
    return (patches.positions() + strip - 1) / strip;
  }

  private static int roundUp(int value, int multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }

  /** Some channels of a strip of positions, to which the chain is applied at once. */
  private void strip(Operands call, int chunk) {
    int strip = (int) call.kept(STRIP);
    int strips = strips(strip);
    int part = (int) call.kept(PART);
    int parts = (channels + part - 1) / part;
    int index = chunk / (strips * parts);
    int group = index % groups;
    int firstChannel = chunk / strips % parts * part;
    int count = Math.min(part, channels - firstChannel);
    int first = chunk % strips * strip;
    int end = Math.min(patches.positions(), first + strip);
    long row = 4L * width;
    long panelBytes = patches.depth() * row;
    long biasBytes = call.kept(BIAS) == 0 ? 0 : (count + 2L * ROWS) * row;
    long tableBytes = MicroKernel.tableBytes(count);
    long scratchBytes = panelBytes + biasBytes + tableBytes;
    long bytes = scratchBytes + (patches.isDense() ? patches.stripBytes() : 0);
    try (MemoryPool.Block memory = HostMemory.shared().allocate(bytes)) {
      long panel = memory.address();
      long image = call.kept(IMAGES) + index * patches.sourceBytes();
      long channel = 4L * patches.positions();
      long number = (long) index * channels + firstChannel;
      long output = call.kept(OUTPUTS) + number * channel;
      long weights =
          call.kept(WEIGHTS) + group * packer.groupBytes() + 4L * firstChannel * patches.depth();
      long table = panel + panelBytes;
      MicroKernel.packedRows(table, weights, patches.depth(), count);
      long bias = 0;
      if (call.kept(BIAS) != 0) {
        bias = table + tableBytes;
        spreadBias(call.kept(BIAS) + 4L * (group * channels + firstChannel), count, bias);
      }
      if (patches.isDense()) {
        rows(call, image, table, bias, output, count, first, end, panel, panel + scratchBytes);
      } else if (copies()) {
        copiedPanels(call, image, table, bias, output, count, first, end);
      } else {
        panels(call, image, table, bias, output, count, first, end, panel);
      }
      if (!finishesBy(micro)) {
        finish(call, number, count, channel, first, end - first, output + 4L * first);
      }
    }
  }

  /** Panels of positions, whatever rows they are in. */
  private void panels(
      Operands call,
      long image,
      long table,
      long bias,
      long output,
      int rows,
      int first,
      int end,
      long panel) {
    long row = 4L * width;
    for (int at = first; at < end; at += width) {
      int count = Math.min(width, end - at);
      boolean direct = patches.isDirect() && (count == width || !micro.readsWholeRows());
      if (!direct) {
        patches.panel(image, at, count, panel);
      }
      multiply(
          call,
          table,
          direct ? image + 4L * at : panel,
          direct ? 4L * patches.positions() : row,
          bias,
          output + 4L * at,
          rows,
          count);
    }
  }

  /** Whether positions of an image that threads share come one by one from other caches. */
  private boolean copies() {
    int threads = Workers.shared().threads();
    boolean isShared = threads > 1 && images * groups == 1;
    boolean isLong = patches.positions() >= threads * COPIED;
    return isShared && isLong && patches.isDirect() && channels <= FEW_CHANNELS;
  }

  /** Panels of positions that are copied together first, row by row. */
  private void copiedPanels(
      Operands call, long image, long table, long bias, long output, int rows, int first, int end) {
    long channel = 4L * patches.positions();
    try (MemoryPool.Block memory = HostMemory.shared().allocate(patches.depth() * COPY_PITCH)) {
      long copy = memory.address();
      for (int at = first; at < end; at += COPIED) {
        int count = Math.min(COPIED, end - at);
        micro.copyRows(image + 4L * at, channel, copy, COPY_PITCH, patches.depth(), count, -0f);
        for (int x = 0; x < count; x += width) {
          int columns = Math.min(width, count - x);
          multiply(
              call, table, copy + 4L * x, COPY_PITCH, bias, output + 4L * (at + x), rows, columns);
        }
      }
    }
  }

  /** Panels of one output row after another. */
  private void rows(
      Operands call,
      long image,
      long table,
      long bias,
      long output,
      int rows,
      int first,
      int end,
      long panel,
      long strip) {
    int columns = patches.columns();
    long row = 4L * width;
    patches.strip(image, first / columns, strip);
    for (int at = first; at < end; at += columns) {
      for (int x = 0; x < columns; x += width) {
        int count = Math.min(width, columns - x);
        patches.panelOfStrip(strip, (at - first) / columns, x, panel);
        multiply(call, table, panel, row, bias, output + 4L * (at + x), rows, count);
      }
    }
  }

  /** So many channels, rows of the table, of a panel of positions. */
  private void multiply(
      Operands call,
      long table,
      long panel,
      long panelRow,
      long bias,
      long output,
      int rows,
      int count) {
    int depth = patches.depth();
    long channel = 4L * patches.positions();
    int block = block(depth);
    long start = bias == 0 ? MicroKernel.nothing() : bias;
    long startRow = bias == 0 ? 0 : 4L * width;
    int t = 0;
    do {
      int k = Math.min(block, depth - t);
      long at = panel + t * panelRow;
      long steps = offsets + 4L * t;
      t += k;
      boolean finishes = t == depth && finishesBy(micro);
      long toAdded = finishes ? call.kept(TO_ADDED) : 0;
      long added = toAdded == 0 ? 0 : output + toAdded;
      boolean relu = finishes && endsRectified();
      micro.panel(
          table, steps, at, panelRow, k, start, startRow, output, channel, rows, count, added,
          relu);
      start = output;
      startRow = channel;
    } while (t < depth);
  }

  /** Rows of a tile for each channel, and for some beyond the last. */
  private void spreadBias(long bias, int count, long to) {
    long row = 4L * width;
    try (MemoryPool.Block values = HostMemory.shared().allocate(4L * (count + ROWS))) {
      Raw.zero(values.address(), 4L * (count + ROWS));
      Raw.copy(bias, values.address(), 4L * count);
      for (int c = 0; c < count; c += ROWS) {
        micro.fill(values.address() + 4L * c, to + c * row, row);
      }
    }
  }
}
