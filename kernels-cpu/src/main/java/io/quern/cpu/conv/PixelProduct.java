package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.PanelPacker;
import io.quern.cpu.gemm.Transpose;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * A convolution as a product of pixels and weights: output pixels are the rows of the micro-kernel,
 * which reads them in the padded image, whatever stride and dilation; output channels are its
 * columns. Tiles are transposed on their way to the output.
 *
 * <p>Strips of pixels go over the channels in panels, and over k in blocks, so that a block of a
 * panel stays in the first-level cache. Either a strip goes over all panels before the next strip,
 * or, where there is more weight than image, all strips go over some panels before the next ones.
 */
final class PixelProduct extends ConvProduct {
  private static final int BLOCK_K = 256;
  private static final int STRIP = 14 * ROWS;
  private static final int TASKS_PER_THREAD = 4;

  /** What may stay in the second-level cache while something else goes through it. */
  private static final long NEAR_BYTES = 1 << 19;

  /** Channels that a task pads. */
  private static final int PADDED = 16;

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
  private final Plane plane;
  private final PanelPacker packer;
  private final int panels;
  private final int strips;
  private final int strip;
  private final int block;
  private final boolean panelsFirst;
  private final Workers.Task<Operands> pad = this::pad;
  private final Workers.Task<Operands> multiply = this::multiply;

  PixelProduct(ConvShape shape, @Nullable ConvChain chain) {
    super(chain);
    this.shape = shape;
    this.plane = Plane.padded(shape);
    int depth = shape.depth();
    this.packer =
        new PanelPacker(shape.groups(), shape.weightBytes(), shape.oc(), depth, 4, 4L * depth);
    this.panels = (shape.oc() + width - 1) / width;
    this.strips = (shape.outputPixels() + STRIP - 1) / STRIP;
    int pixels = (shape.outputPixels() + strips - 1) / strips;
    this.strip = (pixels + ROWS - 1) / ROWS * ROWS;
    int blocks = (depth + BLOCK_K - 1) / BLOCK_K;
    this.block = (depth + blocks - 1) / blocks;
    this.panelsFirst =
        strips > 1 && packer.matrixBytes() > NEAR_BYTES && shape.imageBytes() <= NEAR_BYTES;
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
    if (!plane.needsFill()) {
      call.keep(FIRST, 0);
      share(call, planes);
      return;
    }
    int most = Math.toIntExact(Math.clamp(PADDED_BYTES / plane.bytes(), 1, planes));
    MemoryPool.Block padded = HostMemory.shared().allocate(most * plane.bytes());
    try {
      call.keep(PADDED_IMAGES, padded.address());
      for (int first = 0; first < planes; first += most) {
        int count = Math.min(most, planes - first);
        call.keep(FIRST, first);
        Workers.shared().run(pad, call, count * padTasks());
        share(call, count);
      }
    } finally {
      HostMemory.shared().free(padded);
    }
  }

  private int padTasks() {
    return (shape.c() + PADDED - 1) / PADDED;
  }

  private void pad(Operands call, int chunk) {
    int index = chunk / padTasks();
    int channel = chunk % padTasks() * PADDED;
    plane.pad(
        call.kept(IMAGES) + (call.kept(FIRST) + index) * shape.imageBytes(),
        channel,
        Math.min(shape.c(), channel + PADDED),
        call.kept(PADDED_IMAGES) + index * plane.bytes());
  }

  private void share(Operands call, int planes) {
    int threads = Workers.shared().threads();
    int wanted = threads == 1 ? 1 : TASKS_PER_THREAD * threads;
    int perTask = Math.clamp((long) planes * strips * panels / wanted, 1, panels);
    if (panelsFirst) {
      perTask = Math.clamp(NEAR_BYTES / 2 / (4L * width * shape.depth()), 1, perTask);
    }
    call.keep(PANELS_PER_TASK, perTask);
    Workers.shared().run(multiply, call, planes * strips * ((panels + perTask - 1) / perTask));
  }

  private void multiply(Operands call, int chunk) {
    int perTask = (int) call.kept(PANELS_PER_TASK);
    int groupsOfPanels = (panels + perTask - 1) / perTask;
    int index = chunk / groupsOfPanels / strips;
    int ofIndex = chunk - index * groupsOfPanels * strips;
    int panel = (panelsFirst ? ofIndex / strips : ofIndex % groupsOfPanels) * perTask;
    int first = (panelsFirst ? ofIndex % strips : ofIndex / groupsOfPanels) * strip;
    int count = Math.min(strip, shape.outputPixels() - first);
    long row = 4L * width;
    long bytes = Transpose.SCRATCH + strip * (row + 8) + row;
    MemoryPool.Block scratch = HostMemory.shared().allocate(bytes);
    long products = scratch.address() + Transpose.SCRATCH;
    long addresses = products + strip * row;
    long biasRow = addresses + 8L * strip;
    addresses(image(call, index), first, addresses);
    long plane = call.kept(FIRST) + index;
    int group = (int) (plane % shape.groups());
    for (int p = panel; p < Math.min(panels, panel + perTask); p++) {
      int oc = p * width;
      int channels = Math.min(width, shape.oc() - oc);
      Raw.zero(biasRow, row);
      if (call.kept(BIAS) != 0) {
        Raw.copy(call.kept(BIAS) + 4L * (group * shape.oc() + oc), biasRow, 4L * channels);
      }
      long weights = call.kept(WEIGHTS) + group * packer.matrixBytes();
      tiles(addresses, weights + oc * 4L * shape.depth(), biasRow, products, count);
      boolean isFinished = finishAside(products, (long) count * width);
      long pixels = 4L * shape.outputPixels();
      long target = call.kept(OUTPUTS) + plane * shape.outputBytes() + oc * pixels + 4L * first;
      transpose.run(products, row, count, channels, target, pixels, scratch.address());
      if (!isFinished) {
        finish(call, plane * shape.oc() + oc, channels, pixels, first, count, target);
      }
    }
    HostMemory.shared().free(scratch);
  }

  private long image(Operands call, int index) {
    return plane.needsFill()
        ? call.kept(PADDED_IMAGES) + index * plane.bytes()
        : call.kept(IMAGES) + (call.kept(FIRST) + index) * shape.imageBytes();
  }

  /** Where the windows of a strip begin; those beyond the last pixel repeat it and are not used. */
  private void addresses(long image, int first, long to) {
    Window window = shape.window();
    int last = shape.outputPixels() - 1;
    for (int i = 0; i < strip; i++) {
      int pixel = Math.min(first + i, last);
      int y = pixel / shape.ow();
      int x = pixel - y * shape.ow();
      long at = (long) y * window.strideH() * plane.pitch() + (long) x * window.strideW();
      Raw.putLong(to + 8L * i, image + 4 * at);
    }
  }

  /** Products of the pixels with a panel of weights, on top of a row for each pixel. */
  private void tiles(long addresses, long panel, long first, long products, int count) {
    long row = 4L * width;
    int rounded = (count + ROWS - 1) / ROWS * ROWS;
    for (int t = 0; t < shape.depth(); t += block) {
      int depth = Math.min(block, shape.depth() - t);
      long offsets = plane.offsets() + 4L * t;
      long start = t == 0 ? first : products;
      long startRow = t == 0 ? 0 : row;
      long weights = panel + t * row;
      micro.panel(
          addresses, offsets, weights, row, depth, start, startRow, products, row, rounded, width);
    }
  }
}
