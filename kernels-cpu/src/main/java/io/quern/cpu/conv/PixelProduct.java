package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.ColumnPanels;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * A convolution as a product of pixels and weights. Strips of pixels go over the channels in
 * panels, and over k in blocks, so that a block of a panel stays in the first-level cache. Where
 * each output uses one pixel there is no padded image; a strip that meets some panels is copied
 * together first, since rows of a tile lie at distances in the image that share few sets of the
 * cache.
 */
final class PixelProduct extends PixelRows {
  /** Most pixels of a strip. */
  private static final int STRIP = 208;

  private static final int TASKS_PER_THREAD = 4;

  /** Pixels that are enough for a strip. */
  private static final int LEAST_PIXELS = 8 * ROWS;

  /**
   * Panels that repay copying a strip; half of them do where another thread has the others, or has
   * written some of the strip.
   */
  private static final int LEAST_PANELS = 4;

  /** Bytes of unfinished products of a task, more or less. */
  private static final long UNFINISHED_BYTES = 3 << 17;

  private static final int LINE = 64;

  /** Floats of a line; strips are so many long that no two of them share one. */
  private static final int LANES = LINE / 4;

  /** What the transposed store of a sum costs, in products. */
  private static final int STORE_COST = 12;

  /** What gathering an element of a patch costs, in products, from neighbours and otherwise. */
  private static final int GATHER_COST = 16;

  private static final int STRIDED_GATHER_COST = 40;

  /** What products of deep patches cost, and how deep those are. */
  private static final double DEEP_COST = 1.1;

  private static final int DEEP = 256;

  private static final int PANELS_PER_TASK = FREE;

  private final int lines;
  private final int strips;

  /** Pixels of the longest strip. */
  private final int strip;

  private final int mostPanels;
  private final boolean copiesStrips;
  private final long pitch;

  /** Address of a table of offsets in a strip that was copied together. */
  private final long offsets;

  private final Arena owner = Arena.ofAuto();
  private final Workers.Task<Operands> multiply = this::multiply;

  PixelProduct(ConvShape shape, @Nullable ConvChain chain) {
    super(shape, ColumnPanels.mixed(shape.oc()), chain);
    boolean isShared = Workers.shared().threads() > 1 && shape.n() * shape.groups() == 1;
    this.copiesStrips =
        shape.isPointwise() && panels >= (isShared ? LEAST_PANELS / 2 : LEAST_PANELS);
    this.lines = (shape.outputPixels() + LANES - 1) / LANES;
    this.strips = Math.clamp(strips(shape), 1, Math.max(1, lines));
    this.strip = (lines + strips - 1) / strips * LANES;
    this.mostPanels =
        shape.depth() <= block
            ? panels
            : Math.toIntExact(
                Math.clamp(UNFINISHED_BYTES / (4L * columns.mostColumns() * strip), 1, panels));
    this.pitch = ((4L * strip + LINE - 1) / LINE | 1) * LINE;
    this.offsets = owner.allocate(4L * block, LINE).address();
    Packing.offsets(offsets, block, pitch);
  }

  /**
   * Strips of an image. Where an image is alone and most of what is read, each thread has as many:
   * it then reads its own part of the image, and all weights.
   */
  private static int strips(ConvShape shape) {
    int pixels = shape.outputPixels();
    int strips = (pixels + STRIP - 1) / STRIP;
    int threads = Workers.shared().threads();
    boolean isMostlyImage = 4 * shape.imageBytes() > 5 * shape.weightBytes();
    boolean isAlone = shape.n() * shape.groups() == 1 && pixels >= threads * LEAST_PIXELS;
    return isMostlyImage && isAlone ? (strips + threads - 1) / threads * threads : strips;
  }

  /**
   * Whether this costs less than a {@link PatchProduct}, by the products of whole tiles. Both add
   * in different orders, so the choice is the same for all widths of vectors.
   */
  static boolean isBetter(ConvShape shape) {
    double own = roundUp(shape.outputPixels(), 8) * roundUp(shape.oc(), 32);
    double other = roundUp(shape.oc(), 8) * roundUp(shape.outputPixels(), 32);
    double cost = shape.isDense() ? GATHER_COST : STRIDED_GATHER_COST;
    double gather = shape.isPointwise() ? 0 : cost * shape.depth() / shape.oc();
    double deep = shape.depth() > DEEP ? DEEP_COST : 1;
    return own * (shape.depth() + STORE_COST) < other * (deep * shape.depth() + gather);
  }

  private static double roundUp(double value, int multiple) {
    return Math.ceil(value / multiple) * multiple;
  }

  @Override
  String name() {
    return "pixels_" + columns.microName();
  }

  /**
   * Threads that share the channels of one strip would read most of it from each other. Windows of
   * one pixel repay no second copy.
   */
  @Override
  boolean canCopyAlone(int planes) {
    boolean isRepaid = shape.depth() > shape.c();
    return isRepaid && planes * strips == 1 && Workers.shared().threads() > 1;
  }

  @Override
  void share(Operands call, int planes) {
    int threads = Workers.shared().threads();
    boolean copies = copiesStrips || copiesAlone(call);
    int wanted = threads == 1 ? 1 : (copies ? 1 : TASKS_PER_THREAD) * threads;
    long all = (long) planes * strips * panels;
    int least = copiesStrips && all >= LEAST_PANELS / 2 * (long) threads ? LEAST_PANELS / 2 : 1;
    int perTask = Math.clamp(Math.max(all / wanted, least), 1, mostPanels);
    int even = evenPanels(perTask, planes * strips, threads);
    call.keep(PANELS_PER_TASK, even);
    Workers.shared().run(multiply, call, planes * strips * groups(even));
  }

  /** Panels of a task, so that all threads have as many of the few tasks. */
  private int evenPanels(int perTask, int strips, int threads) {
    long tasks = (long) strips * groups(perTask);
    if (tasks % threads == 0 || tasks >= (long) TASKS_PER_THREAD * threads) {
      return perTask;
    }
    int fewer = Math.max(1, groups(perTask) / threads) * threads;
    int larger = (panels + fewer - 1) / fewer;
    return larger <= mostPanels ? larger : (panels + fewer + threads - 1) / (fewer + threads);
  }

  /** First pixel of a strip; all are about as long, and no two share a line. */
  private int begin(int number) {
    return Math.min(shape.outputPixels(), LANES * (int) ((long) lines * number / strips));
  }

  /** The products of a strip with some panels. */
  private void multiply(Operands call, int chunk) {
    int perTask = (int) call.kept(PANELS_PER_TASK);
    int groupsOfPanels = groups(perTask);
    int index = chunk / groupsOfPanels / strips;
    int ofIndex = chunk - index * groupsOfPanels * strips;
    int firstPanel = ofIndex % groupsOfPanels * perTask;
    int endPanel = Math.min(panels, firstPanel + perTask);
    int first = begin(ofIndex / groupsOfPanels);
    int count = begin(ofIndex / groupsOfPanels + 1) - first;
    long mostRow = 4L * columns.mostColumns();
    boolean isOneBlock = shape.depth() <= block;
    long productBytes = strip * mostRow;
    long toAddresses =
        Transpose.SCRATCH + mostRow + (isOneBlock ? 1 : endPanel - firstPanel) * productBytes;
    long toCopy = toAddresses + MicroKernel.tableBytes(strip);
    boolean isAlone = copiesAlone(call);
    long copyBytes = copiesStrips ? block * pitch : isAlone ? padded.bytes() : 0;
    long bytes = toCopy + copyBytes + 2 * LINE;
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(bytes)) {
      long biasRow = scratch.address() + Transpose.SCRATCH;
      long addresses = scratch.address() + toAddresses;
      long copy = (scratch.address() + toCopy + LINE - 1) / LINE * LINE;
      long image = isAlone ? copy : image(call, index);
      if (isAlone) {
        padded.copyRows(original(call, index), 0, padded.copiedRows(), copy);
      }
      if (copiesStrips) {
        MicroKernel.evenRows(addresses, copy, 4, strip + ROWS);
      } else {
        addresses(image, first, strip + ROWS, addresses);
      }
      long number = plane(call, index);
      long weights = weights(call, number);
      for (int t = 0; t < shape.depth(); t += block) {
        int depth = Math.min(block, shape.depth() - t);
        if (copiesStrips) {
          long channel = 4L * shape.inputPixels();
          MicroKernel.chosen()
              .copyRows(image + t * channel + 4L * first, channel, copy, pitch, depth, count, -0f);
        }
        long steps = copiesStrips ? offsets : padded.offsets() + 4L * t;
        for (int p = firstPanel; p < endPanel; p++) {
          MicroKernel micro = columns.micro(p);
          long row = 4L * micro.columns();
          long products = biasRow + mostRow + (isOneBlock ? 0 : (p - firstPanel) * productBytes);
          if (t == 0) {
            bias(call, number, p, biasRow);
          }
          long start = t == 0 ? biasRow : products;
          long startRow = t == 0 ? 0 : row;
          long panel = weights + panelOffset(t, p);
          boolean isLast = t + depth == shape.depth();
          boolean relu = isLast && rectifiesBy(micro);
          micro.panel(
              addresses,
              steps,
              panel,
              row,
              depth,
              start,
              startRow,
              products,
              row,
              count,
              micro.columns(),
              0,
              relu);
          if (isLast) {
            store(call, number, p, first, count, products, scratch.address());
          }
        }
      }
    }
  }

  /** Finishes the products of a strip with a panel, and stores them channel by channel. */
  private void store(
      Operands call, long plane, int panel, int first, int count, long products, long scratch) {
    int channels = channels(panel);
    int width = columns.columns(panel);
    boolean isFinished =
        rectifiesBy(columns.micro(panel)) || finishAside(products, (long) count * width);
    long pixels = 4L * shape.outputPixels();
    long target = output(call, plane, panel, pixels) + 4L * first;
    transpose.run(products, 4L * width, count, channels, target, pixels, scratch);
    if (!isFinished) {
      finish(
          call, plane * shape.oc() + columns.first(panel), channels, pixels, first, count, target);
    }
  }
}
