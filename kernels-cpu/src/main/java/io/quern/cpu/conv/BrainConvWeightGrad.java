package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.BrainPanel;
import io.quern.cpu.gemm.PairMoves;
import io.quern.cpu.gemm.Transpose;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Reduce;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Rounding;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Conv2dWeightGrad of dense convolutions of BF16, by products of {@link BrainPanel} over pixels:
 * for each tap the rows are channels of padded images, which begin as far from the first pixel as
 * the tap does, and the columns are output channels of the gradient, on a grid of the size of the
 * padded images with zeros in between. Where there are few channels, the rows are those of taps.
 *
 * <p>The batch is split into parts by its shape alone, and the parts are summed in order, so the
 * number of threads does not matter. Immutable and thread-safe.
 */
public final class BrainConvWeightGrad implements Kernel {
  private static final int MOST_PARTS = 16;
  private static final long PARTIAL_BYTES = 1 << 24;

  /** Bytes of images and gradients that are multiplied at a time, in the second-level cache. */
  private static final long CHUNK_BYTES = 1 << 19;

  /** Output channels of a group below which floats are faster. */
  private static final int LEAST_COLUMNS = 8;

  private static final long BYTES = 2;
  private static final int LINE = 64;
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  // What a call keeps for its tasks.
  private static final int PARTIALS = 0;

  private final ConvShape shape;
  private final Plane plane;
  private final int parts;

  /** Images that are multiplied at a time. */
  private final int chunk;

  /** Elements of the grid of an image. */
  private final int grid;

  /** Pixels of all images of a chunk, and of a channel of padded images, as a whole. */
  private final long k;

  private final long planeBytes;
  private final BrainPanel product;
  private final int paddedOc;
  private final Workers.Task<Operands> sumImages = this::sumImages;
  private final Workers.Task<Operands> sumParts = this::sumParts;

  private BrainConvWeightGrad(ConvShape shape) {
    this.shape = shape;
    this.plane = Plane.padded(shape);
    Window window = shape.window();
    int height = shape.h() + window.padTop() + window.padBottom();
    this.grid = height * plane.pitch();
    this.paddedOc = (shape.oc() + BrainPanel.WIDTH - 1) / BrainPanel.WIDTH * BrainPanel.WIDTH;
    long room = PARTIAL_BYTES / partialBytes();
    this.parts = Math.toIntExact(Math.clamp(room, 1, Math.min(MOST_PARTS, shape.n())));
    long perPart = (shape.n() + parts - 1L) / parts;
    long imageBytes = BYTES * grid * (shape.c() + paddedOc);
    this.chunk = Math.toIntExact(Math.clamp(CHUNK_BYTES / imageBytes, 1, perPart));
    this.k = BrainPanel.wholeDepth((long) grid * chunk);
    this.product = new BrainPanel(k, BrainPanel.Result.FLOATS);
    // One line more than even, since rows that are a page apart share their places in the cache.
    long elements = k + reach();
    this.planeBytes = (BYTES * elements / (2 * LINE) + 1) * 2 * LINE + LINE;
  }

  /** Elements from the first to the last tap. */
  private long reach() {
    Window window = shape.window();
    return (long) (window.kernelH() - 1) * window.dilationH() * plane.pitch()
        + (long) (window.kernelW() - 1) * window.dilationW();
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!key.all(DType.BF16)
        || !key.isContiguous()
        || !BrainPanel.isAvailable()
        || !(key.op() instanceof Conv2dWeightGrad grad)
        || !ConvShape.fits(
            grad.window(), grad.groups(), key.shape(0), key.output().shape(), key.shape(1))) {
      return null;
    }
    ConvShape shape =
        ConvShape.of(
            grad.window(), grad.groups(), key.shape(0), key.output().shape(), key.shape(1));
    boolean fits =
        shape.isDense()
            && shape.c() > 0
            && shape.oc() >= LEAST_COLUMNS
            && shape.n() > 0
            && shape.outputPixels() > 0;
    return fits ? new BrainConvWeightGrad(shape) : null;
  }

  /** Bytes of the sum over some images of one group, [c, kh, kw, oc]. */
  private long partialBytes() {
    return 4L * shape.depth() * paddedOc;
  }

  @Override
  public void run(Operands call) {
    int tasks = parts * shape.groups();
    MemoryPool.Block partials = HostMemory.shared().allocate(tasks * partialBytes());
    try {
      call.keep(PARTIALS, partials.address());
      Workers.shared().run(sumImages, call, tasks);
      Workers.shared().run(sumParts, call, shape.groups() * shape.depth());
    } finally {
      HostMemory.shared().free(partials);
    }
  }

  private void sumImages(Operands call, int task) {
    int group = task / parts;
    int part = task % parts;
    long imagesBytes = planeBytes * shape.c();
    long gridBytes = BYTES * k * paddedOc;
    long scratchBytes = Math.max(Transpose.SCRATCH, product.scratchBytes(rows()));
    MemoryPool.Block memory =
        HostMemory.shared().allocate(imagesBytes + 2 * gridBytes + scratchBytes);
    long images = memory.address();
    long gradients = images + imagesBytes;
    long panels = gradients + gridBytes;
    long scratch = panels + gridBytes;
    Raw.zero(images, imagesBytes + gridBytes);
    long partial = call.kept(PARTIALS) + task * partialBytes();
    int from = (int) ((long) shape.n() * part / parts);
    int to = (int) ((long) shape.n() * (part + 1) / parts);
    for (int image = from; image < to; image += chunk) {
      int count = Math.min(chunk, to - image);
      if (image > from && count < chunk) {
        Raw.zero(gradients, gridBytes); // what an earlier image has left counts no more
      }
      for (int i = 0; i < count; i++) {
        long index = (long) (image + i) * shape.groups() + group;
        place(call, index, images + BYTES * i * grid, gradients + BYTES * i * grid);
      }
      turn(gradients, panels, scratch);
      multiply(images, panels, partial, image > from, scratch);
    }
    HostMemory.shared().free(memory);
  }

  /** Lays out the channels of an image, and those of its gradient. */
  private void place(Operands call, long index, long image, long gradient) {
    Window window = shape.window();
    long row = BYTES * plane.pitch();
    long inside = image + window.padTop() * row + BYTES * window.padLeft();
    long channel = BYTES * shape.inputPixels();
    long from = call.address(0) + index * shape.c() * channel;
    for (int c = 0; c < shape.c(); c++) {
      PairMoves.copy(from, BYTES * shape.w(), inside + c * planeBytes, row, shape.h(), shape.w());
      from += channel;
    }
    channel = BYTES * shape.outputPixels();
    from = call.address(1) + index * shape.oc() * channel;
    for (int oc = 0; oc < shape.oc(); oc++) {
      PairMoves.copy(
          from, BYTES * shape.ow(), gradient + oc * BYTES * k, row, shape.oh(), shape.ow());
      from += channel;
    }
  }

  /** Makes panels of the gradients, whose pairs of pixels are elements of 32 bits. */
  private void turn(long gradients, long panels, long scratch) {
    for (int oc = 0; oc < paddedOc; oc += BrainPanel.WIDTH) {
      Transpose.chosen()
          .run(
              gradients + oc * BYTES * k,
              BYTES * k,
              BrainPanel.WIDTH,
              k / 2,
              panels + oc * BYTES * k,
              4L * BrainPanel.WIDTH,
              scratch);
    }
  }

  private boolean hasFewChannels() {
    return shape.c() < shape.window().kernelH();
  }

  /** Rows of a product. */
  private int rows() {
    return hasFewChannels() ? shape.window().kernelH() : shape.c();
  }

  private void multiply(long images, long panels, long partial, boolean adds, long scratch) {
    Window window = shape.window();
    int taps = window.kernelH() * window.kernelW();
    long result = 4L * paddedOc;
    for (int oc = 0; oc < paddedOc; oc += BrainPanel.WIDTH) {
      long panel = panels + oc * BYTES * k;
      long to = partial + 4L * oc;
      if (hasFewChannels()) {
        long aRow = BYTES * window.dilationH() * plane.pitch();
        for (int c = 0; c < shape.c(); c++) {
          for (int kw = 0; kw < window.kernelW(); kw++) {
            long a = images + c * planeBytes + BYTES * kw * window.dilationW();
            long target = to + ((long) c * taps + kw) * result;
            multiply(a, aRow, panel, target, window.kernelW() * result, adds, scratch);
          }
        }
        continue;
      }
      for (int tap = 0; tap < taps; tap++) {
        long a = images + Raw.getInt(plane.offsets() + 4L * tap) / 4 * BYTES;
        multiply(a, planeBytes, panel, to + tap * result, taps * result, adds, scratch);
      }
    }
  }

  private void multiply(
      long a, long aRow, long panel, long to, long toRow, boolean adds, long scratch) {
    product.run(
        a,
        aRow,
        panel,
        BrainPanel.WIDTH,
        adds ? to : BrainPanel.ZEROS,
        adds ? toRow : 0,
        0,
        to,
        toRow,
        rows(),
        scratch);
  }

  /** The sum of all parts for all output channels of a weight. */
  private void sumParts(Operands call, int task) {
    int group = task / shape.depth();
    int t = task % shape.depth();
    long first = call.kept(PARTIALS) + (long) group * parts * partialBytes() + 4L * t * paddedOc;
    for (int part = 1; part < parts; part++) {
      SUM.addRow(first + part * partialBytes(), shape.oc(), first);
    }
    long step = BYTES * shape.depth();
    long to = call.address(2) + (long) group * shape.oc() * step + BYTES * t;
    for (int oc = 0; oc < shape.oc(); oc++) {
      Raw.putShort(to, Rounding.toBF16(Raw.getFloat(first + 4L * oc)));
      to += step;
    }
  }

  @Override
  public String name() {
    return "conv2d_weight_grad_" + product.name();
  }
}
