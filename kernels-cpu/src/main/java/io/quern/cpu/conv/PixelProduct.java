package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.PanelPacker;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * A convolution as a product of pixels and weights: output pixels are the rows of the micro-kernel,
 * which reads them in a {@link PaddedImage}, whatever stride and dilation; output channels are its
 * columns. Tiles are transposed on their way to the output.
 *
 * <p>Strips of pixels go over the channels in panels, and over k in blocks, so that a block of a
 * panel stays in the first-level cache. Where each output uses one pixel there is no padded image;
 * a strip that meets some panels is copied together first, since rows of a tile lie at distances in
 * the image that share few sets of the cache.
 */
final class PixelProduct extends ConvProduct {
  private static final int BLOCK_K = 256;

  /** Most pixels of a strip. */
  private static final int STRIP = 208;

  private static final int TASKS_PER_THREAD = 4;

  /** Pixels that are enough for a strip. */
  private static final int LEAST_PIXELS = 8 * ROWS;

  /** Panels that repay copying a strip; half of them do where another thread has the others. */
  private static final int LEAST_PANELS = 4;

  /** Bytes of unfinished products of a task, more or less. */
  private static final long UNFINISHED_BYTES = 1 << 18;

  private static final int LINE = 64;

  /** Floats of a line; strips are so many long that no two of them share one. */
  private static final int LANES = LINE / 4;

  /** Padded images that exist at one time. */
  private static final long PADDED_BYTES = 1 << 23;

  /** What the transposed store of a sum costs, in products. */
  private static final int STORE_COST = 12;

  /** What gathering an element of a patch costs, in products, from neighbours and otherwise. */
  private static final int GATHER_COST = 16;

  private static final int STRIDED_GATHER_COST = 40;

  /** What products cost whose panels leave the first-level cache. */
  private static final double DEEP_COST = 1.1;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int PADDED_IMAGES = 4;
  private static final int FIRST = 5;
  private static final int PANELS_PER_TASK = 6;

  private final MicroKernel micro = MicroKernel.chosen();
  private final Transpose transpose = Transpose.chosen();
  private final int width = micro.columns();
  private final ConvShape shape;
  private final PaddedImage padded;
  private final PanelPacker panelPacker;
  private final Packer packer;
  private final int panels;
  private final int lines;
  private final int strips;

  /** Pixels of the longest strip. */
  private final int strip;

  private final int block;
  private final int mostPanels;
  private final boolean copiesStrips;
  private final long pitch;

  /** Address of a table of offsets in a strip that was copied together. */
  private final long offsets;

  private final Arena owner = Arena.ofAuto();
  private final Workers.Task<Operands> pad = this::pad;
  private final Workers.Task<Operands> multiply = this::multiply;

  PixelProduct(ConvShape shape, @Nullable ConvChain chain) {
    super(chain);
    this.shape = shape;
    int depth = shape.depth();
    int blocks = (depth + BLOCK_K - 1) / BLOCK_K;
    this.block = (depth + blocks - 1) / blocks;
    this.panelPacker =
        new PanelPacker(
            micro, shape.groups(), shape.weightBytes(), shape.oc(), depth, 4, 4L * depth, block);
    this.panels = (shape.oc() + width - 1) / width;
    boolean isTurned = PixelImage.suits(shape);
    this.padded = isTurned && !shape.isPointwise() ? new PixelImage(shape) : Plane.padded(shape);
    this.copiesStrips = shape.isPointwise() && panels >= LEAST_PANELS;
    this.packer = isTurned ? TapPacker.of(panelPacker, shape) : panelPacker;
    this.lines = (shape.outputPixels() + LANES - 1) / LANES;
    this.strips = Math.clamp(strips(shape), 1, Math.max(1, lines));
    this.strip = (lines + strips - 1) / strips * LANES;
    this.mostPanels =
        depth <= block
            ? panels
            : Math.toIntExact(Math.clamp(UNFINISHED_BYTES / (4L * width * strip), 1, panels));
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
    double deep = shape.depth() > BLOCK_K ? DEEP_COST : 1;
    return own * (shape.depth() + STORE_COST) < other * (deep * shape.depth() + gather);
  }

  private static double roundUp(double value, int multiple) {
    return Math.ceil(value / multiple) * multiple;
  }

  @Override
  String name() {
    return "pixels_";
  }

  @Override
  Packer packer() {
    return packer;
  }

  @Override
  void run(Operands call, long images, long weights, long bias, long outputs) {
    int planes = shape.n() * shape.groups();
    if (planes == 0) {
      return;
    }
    call.keep(IMAGES, images);
    call.keep(WEIGHTS, weights);
    call.keep(BIAS, bias);
    call.keep(OUTPUTS, outputs);
    if (!padded.isCopy()) {
      call.keep(FIRST, 0);
      share(call, planes);
      return;
    }
    int most = Math.toIntExact(Math.clamp(PADDED_BYTES / padded.bytes(), 1, planes));
    MemoryPool.Block copies = HostMemory.shared().allocate(most * padded.bytes());
    try {
      call.keep(PADDED_IMAGES, copies.address());
      for (int first = 0; first < planes; first += most) {
        int count = Math.min(most, planes - first);
        call.keep(FIRST, first);
        Workers.shared().run(pad, call, count * padBands());
        share(call, count);
      }
    } finally {
      HostMemory.shared().free(copies);
    }
  }

  /** Bands of rows, of which each thread has as many: mostly those that its strips will read. */
  private int padBands() {
    int threads = Workers.shared().threads();
    return Math.clamp(threads == 1 ? 1 : 2L * threads, 1, Math.max(1, padded.copiedRows()));
  }

  private void pad(Operands call, int chunk) {
    int bands = padBands();
    long index = chunk / bands;
    long band = chunk % bands;
    long rows = padded.copiedRows();
    padded.copyRows(
        call.kept(IMAGES) + (call.kept(FIRST) + index) * shape.imageBytes(),
        (int) (rows * band / bands),
        (int) (rows * (band + 1) / bands),
        call.kept(PADDED_IMAGES) + index * padded.bytes());
  }

  private void share(Operands call, int planes) {
    int threads = Workers.shared().threads();
    int wanted = threads == 1 ? 1 : (copiesStrips ? 1 : TASKS_PER_THREAD) * threads;
    long all = (long) planes * strips * panels;
    int least = copiesStrips && all >= LEAST_PANELS / 2 * (long) threads ? LEAST_PANELS / 2 : 1;
    int perTask = Math.clamp(Math.max(all / wanted, least), 1, mostPanels);
    int even = evenPanels(perTask, planes * strips, threads);
    call.keep(PANELS_PER_TASK, even);
    Workers.shared().run(multiply, call, planes * strips * groups(even));
  }

  /** Panels of a task, so that all threads have as many of the few tasks. */
  private int evenPanels(int perTask, int strips, int threads) {
    if ((long) strips * groups(perTask) >= (long) TASKS_PER_THREAD * threads) {
      return perTask;
    }
    int fewer = Math.max(1, groups(perTask) / threads) * threads;
    int larger = (panels + fewer - 1) / fewer;
    return larger <= mostPanels ? larger : (panels + fewer + threads - 1) / (fewer + threads);
  }

  /** Tasks of a strip that have so many panels each. */
  private int groups(int perTask) {
    return (panels + perTask - 1) / perTask;
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
    long row = 4L * width;
    boolean isOneBlock = shape.depth() <= block;
    long productBytes = strip * row;
    long toAddresses =
        Transpose.SCRATCH + row + (isOneBlock ? 1 : endPanel - firstPanel) * productBytes;
    long toCopy = toAddresses + MicroKernel.tableBytes(strip);
    long bytes = toCopy + (copiesStrips ? block * pitch + 2 * LINE : 0);
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(bytes)) {
      long biasRow = scratch.address() + Transpose.SCRATCH;
      long addresses = scratch.address() + toAddresses;
      long copy = (scratch.address() + toCopy + LINE - 1) / LINE * LINE;
      long image = image(call, index);
      if (copiesStrips) {
        MicroKernel.evenRows(addresses, copy, 4, strip + ROWS);
      } else {
        addresses(image, first, addresses);
      }
      long number = call.kept(FIRST) + index;
      long weights = call.kept(WEIGHTS) + number % shape.groups() * panelPacker.matrixBytes();
      for (int t = 0; t < shape.depth(); t += block) {
        int depth = Math.min(block, shape.depth() - t);
        if (copiesStrips) {
          long channel = 4L * shape.inputPixels();
          micro.copyRows(image + t * channel + 4L * first, channel, copy, pitch, depth, count, -0f);
        }
        long steps = copiesStrips ? offsets : padded.offsets() + 4L * t;
        for (int p = firstPanel; p < endPanel; p++) {
          long products = biasRow + row + (isOneBlock ? 0 : (p - firstPanel) * productBytes);
          if (t == 0) {
            bias(call, number, p, biasRow);
          }
          long start = t == 0 ? biasRow : products;
          long startRow = t == 0 ? 0 : row;
          long panel = weights + panelPacker.panelOffset(t, p);
          micro.panel(
              addresses, steps, panel, row, depth, start, startRow, products, row, count, width);
          if (t + depth == shape.depth()) {
            store(call, number, p, first, count, products, scratch.address());
          }
        }
      }
    }
  }

  /** The row that sums of a panel begin with. */
  private void bias(Operands call, long plane, int panel, long to) {
    int oc = panel * width;
    Raw.zero(to, 4L * width);
    if (call.kept(BIAS) != 0) {
      long from = call.kept(BIAS) + 4L * (plane % shape.groups() * shape.oc() + oc);
      Raw.copy(from, to, 4L * Math.min(width, shape.oc() - oc));
    }
  }

  /** Finishes the products of a strip with a panel, and stores them channel by channel. */
  private void store(
      Operands call, long plane, int panel, int first, int count, long products, long scratch) {
    int oc = panel * width;
    int channels = Math.min(width, shape.oc() - oc);
    boolean isFinished = finishAside(products, (long) count * width);
    long pixels = 4L * shape.outputPixels();
    long target = call.kept(OUTPUTS) + plane * shape.outputBytes() + oc * pixels + 4L * first;
    transpose.run(products, 4L * width, count, channels, target, pixels, scratch);
    if (!isFinished) {
      finish(call, plane * shape.oc() + oc, channels, pixels, first, count, target);
    }
  }

  private long image(Operands call, int index) {
    return padded.isCopy()
        ? call.kept(PADDED_IMAGES) + index * padded.bytes()
        : call.kept(IMAGES) + (call.kept(FIRST) + index) * shape.imageBytes();
  }

  /** Where the windows of a strip begin; those beyond the last pixel repeat it and are not used. */
  private void addresses(long image, int first, long to) {
    int last = shape.outputPixels() - 1;
    long pixel = padded.offset(0, 1) - padded.offset(0, 0);
    for (int i = 0; i < strip + ROWS; ) {
      int at = Math.min(first + i, last);
      int y = at / shape.ow();
      int x = at - y * shape.ow();
      int ofRow = at == last ? strip + ROWS - i : Math.min(shape.ow() - x, last - at);
      long address = image + padded.offset(y, x);
      long step = at == last ? 0 : pixel;
      for (int end = Math.min(strip + ROWS, i + ofRow); i < end; i++) {
        Raw.putLong(to + 8L * i, address);
        address += step;
      }
    }
  }
}
