package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.op.Conv2dWeightGrad;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Conv2dWeightGrad of contiguous floats: for each image, the plane (rows of the micro-kernel's A,
 * read in place) times the transposed gradient of the output.
 *
 * <p>The batch is split into parts by its shape alone; each part sums its images in order, and the
 * parts are summed in order, so the number of threads does not matter.
 */
public final class ConvWeightGrad implements Kernel {
  private static final int MOST_PARTS = 16;
  private static final long PARTIAL_BYTES = 1 << 24;

  private final MicroKernel micro = MicroKernel.chosen();
  private final int width = micro.columns();
  private final ConvShape shape;
  private final Plane plane;
  private final int parts;
  private final Workers.Task<Operands> sumImages = this::sumImages;
  private final Workers.Task<Operands> sumParts = this::sumParts;
  private final int paddedOc;
  private final int paddedDepth;
  private final @Nullable WinogradWeightGrad winograd;

  private ConvWeightGrad(KernelKey key, Conv2dWeightGrad grad) {
    this.shape =
        ConvShape.of(
            grad.window(), grad.groups(), key.shape(0), key.output().shape(), key.shape(1));
    WinogradTiles tiles = WinogradTiles.of(shape);
    this.winograd = tiles == null ? null : new WinogradWeightGrad(tiles);
    this.plane = Plane.positions(shape);
    this.paddedOc = (shape.oc() + width - 1) / width * width;
    this.paddedDepth = (shape.depth() + ROWS - 1) / ROWS * ROWS;
    long room = PARTIAL_BYTES / Math.max(1, shape.weightBytes());
    this.parts = Math.clamp(room, 1, Math.max(1, Math.min(MOST_PARTS, shape.n())));
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32 of moderate size. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && key.isContiguous()
            && key.op() instanceof Conv2dWeightGrad grad
            && ConvShape.fits(
                grad.window(), grad.groups(), key.shape(0), key.output().shape(), key.shape(1))
        ? new ConvWeightGrad(key, grad)
        : null;
  }

  /** Bytes of the sum over some images of one group, [depth, oc] with both padded to tiles. */
  private long partialBytes() {
    return 4L * paddedDepth * paddedOc;
  }

  @Override
  public void run(Operands operands) {
    if (winograd != null) {
      winograd.run(operands);
      return;
    }
    HostMemory memory = HostMemory.shared();
    int tasks = parts * shape.groups();
    MemoryPool.Block partials = memory.allocate(tasks * partialBytes());
    try {
      operands.keep(0, partials.address());
      Workers.shared().run(sumImages, operands, tasks);
      Workers.shared().run(sumParts, operands, shape.groups() * shape.oc());
    } finally {
      memory.free(partials);
    }
  }

  private void sumImages(Operands call, int chunk) {
    int group = chunk / parts;
    int part = chunk % parts;
    int positions = plane.positions();
    long turnedBytes = 4L * positions * paddedOc; // whole vectors, so that what follows is aligned
    long bytes =
        turnedBytes
            + Transpose.SCRATCH
            + plane.bytes()
            + 4L * positions
            + MicroKernel.tableBytes(paddedDepth);
    try (MemoryPool.Block memory = HostMemory.shared().allocate(bytes)) {
      long turned = memory.address();
      long scratch = turned + turnedBytes;
      long filled = scratch + Transpose.SCRATCH;
      long steps = filled + plane.bytes();
      Packing.offsets(steps, positions, 4);
      Raw.zero(turned, turnedBytes);
      long partial = call.kept(0) + (long) (group * parts + part) * partialBytes();
      int from = (int) ((long) shape.n() * part / parts);
      int to = (int) ((long) shape.n() * (part + 1) / parts);
      if (from == to) {
        Raw.zero(partial, partialBytes());
      }
      for (int image = from; image < to; image++) {
        long index = (long) image * shape.groups() + group;
        long pixels = call.address(0) + index * shape.imageBytes();
        if (plane.isCopy()) {
          plane.fill(pixels, filled);
          pixels = filled;
        }
        turn(call.address(1) + index * shape.outputBytes(), turned, scratch);
        multiply(pixels, turned, steps, partial, image > from);
      }
    }
  }

  /** Transposes the gradient to [position, oc], one block of tile width after another. */
  private void turn(long gradient, long to, long scratch) {
    long block = 4L * plane.positions() * width;
    for (int oc = 0; oc < shape.oc(); oc += width) {
      int count = Math.min(width, shape.oc() - oc);
      for (int row = 0; row < plane.rows(); row++) {
        Packing.packB(
            micro,
            gradient + 4L * (oc * plane.rows() + row) * plane.columns(),
            4,
            4L * plane.rows() * plane.columns(),
            count,
            plane.columns(),
            to + 4L * row * plane.pitch() * width,
            scratch);
      }
      to += block;
    }
  }

  private void multiply(long pixels, long turned, long steps, long partial, boolean accumulate) {
    long positions = plane.positions();
    long table = steps + 4 * positions;
    for (int t = 0; t < paddedDepth; t++) {
      Raw.putLong(table + 8L * t, pixels + offset(t));
    }
    for (int oc = 0; oc < paddedOc; oc += width) {
      micro.panel(
          table,
          steps,
          turned + 4 * positions * oc,
          4L * width,
          positions,
          partial + 4L * oc,
          4L * paddedOc,
          paddedDepth,
          width,
          accumulate);
    }
  }

  /** Offset of a row of the plane; rows beyond the last repeat it and are not used. */
  private long offset(int t) {
    return Raw.getInt(plane.offsets() + 4L * Math.min(t, plane.depth() - 1));
  }

  private void sumParts(Operands call, int channel) {
    int group = channel / shape.oc();
    int oc = channel % shape.oc();
    long base = call.kept(0) + (long) group * parts * partialBytes() + 4L * oc;
    long to = call.address(2) + 4L * channel * shape.depth();
    for (int t = 0; t < shape.depth(); t++) {
      long from = base + 4L * t * paddedOc;
      float sum = 0;
      for (int part = 0; part < parts; part++) {
        sum += Raw.getFloat(from + part * partialBytes());
      }
      Raw.putFloat(to + 4L * t, sum);
    }
  }

  @Override
  public boolean warmUp() {
    return MicroKernel.chosen().warmUp() && (winograd == null || winograd.warmUp());
  }

  @Override
  public String name() {
    return (winograd == null ? "conv2d_weight_grad_" : "conv2d_weight_grad_winograd_")
        + micro.name();
  }
}
