package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Epilogue;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Conv2d whose groups have one input channel each, and its gradient for the images: a filter over
 * one channel after another. Contiguous floats. Immutable and thread-safe.
 */
public final class DepthwiseConv implements Kernel {
  /** Positions that make up a chunk of work. */
  private static final int CHUNK = 8192;

  private static final long CACHED = 16384;

  private final MicroKernel micro = MicroKernel.chosen();
  private final Twins<DepthwiseMath> math = DepthwiseMath.twins();
  private final Workers.Task<Operands> task = this::compute;
  private final ConvShape shape;
  private final boolean gradient;
  private final DepthwisePlane plane;

  /** Source channels and result channels of a group. */
  private final int sources;

  private final int results;
  private final boolean hasBias;

  private final @Nullable ConvChain chain;

  /** Where each tap of each source finds its elements, in bytes. */
  private final int[] offsets;

  private final PlaneCode.@Nullable Pair machine;

  private DepthwiseConv(
      ConvShape shape, boolean gradient, boolean hasBias, @Nullable ConvChain chain) {
    this.shape = shape;
    this.chain = chain;
    this.gradient = gradient;
    this.plane = gradient ? DepthwisePlane.inputGrad(shape) : DepthwisePlane.forward(shape);
    this.sources = gradient ? shape.oc() : 1;
    this.results = gradient ? 1 : shape.oc();
    this.hasBias = hasBias;
    this.offsets = offsets();
    this.machine = MachineFilter.of(plane, offsets, targetBytes());
  }

  private int[] offsets() {
    int[] ofOne = plane.offsets();
    int[] ofAll = new int[sources * ofOne.length];
    for (int i = 0; i < ofAll.length; i++) {
      long start = i / ofOne.length * plane.bytes();
      ofAll[i] = Math.toIntExact(start + ofOne[i % ofOne.length]);
    }
    return ofAll;
  }

  /** The kernel for {@code key}, or null when it is not depthwise or not contiguous F32. */
  public static @Nullable Kernel forward(KernelKey key) {
    ConvShape shape = key.op() instanceof Conv2d conv ? forward(key, conv) : null;
    return shape == null ? null : new DepthwiseConv(shape, false, key.inputs() == 3, null);
  }

  /** The kernel for a convolution with an epilogue, or null when an operand does not fit. */
  public static @Nullable Kernel withEpilogue(KernelKey key) {
    if (!(key.op() instanceof Epilogue(Conv2d conv, int operands, ScalarProgram program))) {
      return null;
    }
    ConvShape shape = forward(key, conv);
    ConvChain chain =
        shape == null ? null : ConvChain.of(key, operands, program, key.output().shape());
    return chain == null ? null : new DepthwiseConv(shape, false, operands == 3, chain);
  }

  private static @Nullable ConvShape forward(KernelKey key, Conv2d conv) {
    return key.all(DType.F32) && key.isContiguous()
        ? ConvShape.filters(
            conv.window(), conv.groups(), key.shape(0), key.shape(1), key.output().shape())
        : null;
  }

  /** The kernel for {@code key}, or null when it is not depthwise or not contiguous F32. */
  public static @Nullable Kernel inputGrad(KernelKey key) {
    if (!key.all(DType.F32) || !key.isContiguous() || !(key.op() instanceof Conv2dInputGrad grad)) {
      return null;
    }
    ConvShape shape =
        ConvShape.depthwise(
            grad.window(), grad.groups(), grad.inputShape(), key.shape(0), key.shape(1));
    return shape == null ? null : new DepthwiseConv(shape, true, false, null);
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, (units() + perChunk() - 1) / perChunk());
  }

  /** Groups of all images. */
  private int units() {
    return shape.n() * shape.groups();
  }

  private int perChunk() {
    return Math.max(1, CHUNK / Math.max(1, plane.positions() * results * sources));
  }

  // Scratch memory of a chunk: planes of the sources, offsets of taps, the bias of the results, the
  // table of the chain, a result aside.

  private long offsetsAt() {
    return sources * plane.bytes();
  }

  private long biasAt() {
    return offsetsAt() + roundUp(4L * offsets.length);
  }

  private long tableAt() {
    return biasAt() + roundUp(4L * results);
  }

  private long asideAt() {
    return tableAt() + (chain == null ? 0 : roundUp(chain.rows().tableBytes()));
  }

  private void compute(Operands call, int chunk) {
    long aside = machine == null ? 4L * plane.positions() : 0;
    try (MemoryPool.Block memory = HostMemory.shared().allocate(asideAt() + aside)) {
      long scratch = memory.address();
      Raw.zero(scratch, tableAt());
      for (int i = 0; i < offsets.length; i++) {
        Raw.putInt(scratch + offsetsAt() + 4L * i, offsets[i]);
      }
      int end = Math.min(units(), (chunk + 1) * perChunk());
      for (int unit = chunk * perChunk(); unit < end; unit++) {
        compute(call, unit, scratch);
      }
    }
  }

  /** A group of an image. */
  private void compute(Operands call, int unit, long scratch) {
    long source = call.address(gradient ? 1 : 0) + (long) unit * sources * sourceBytes();
    for (int i = 0; i < sources; i++) {
      plane.replace(source + i * sourceBytes(), scratch + i * plane.bytes());
    }
    int group = unit % shape.groups();
    long weights = call.address(gradient ? 0 : 1) + 4L * group * results * offsets.length;
    long bias = hasBias ? call.address(2) + 4L * group * results : scratch + biasAt();
    long target = call.address(call.count() - 1) + (long) unit * results * targetBytes();
    int together = together();
    for (int first = 0; first < results; first += together) {
      int count = Math.min(together, results - first);
      long filters = weights + 4L * first * offsets.length;
      long to = target + first * targetBytes();
      if (machine != null) {
        machine.run(scratch, filters, 4L * offsets.length, bias + 4L * first, 4, to, count);
      } else {
        filter(scratch, filters, bias + 4L * first, to, count);
      }
      if (chain != null) {
        long row = (long) unit * results + first;
        chain.apply(
            call, row, count, targetBytes(), 0, shape.outputPixels(), to, scratch + tableAt());
      }
    }
  }

  /** Results that the chain finds in the first-level cache. */
  private int together() {
    return Math.clamp(CACHED / targetBytes() / 2 * 2, 1, results);
  }

  private void filter(long scratch, long weights, long bias, long to, int count) {
    DepthwiseMath now = math.get();
    long aside = scratch + asideAt();
    for (int i = 0; i < count; i++) {
      long filter = weights + 4L * i * offsets.length;
      long table = scratch + offsetsAt();
      now.filter(scratch, table, filter, offsets.length, aside, plane.positions());
      copyOut(aside, to + i * targetBytes(), Raw.getFloat(bias + 4L * i));
    }
  }

  private void copyOut(long from, long to, float bias) {
    int columns = plane.columns();
    if (columns == plane.pitch()) {
      micro.copyRow(from, to, (long) plane.rows() * columns, bias);
    } else {
      micro.copyRows(from, 4L * plane.pitch(), to, 4L * columns, plane.rows(), columns, bias);
    }
  }

  private long sourceBytes() {
    return 4L * (gradient ? shape.outputPixels() : shape.inputPixels());
  }

  private long targetBytes() {
    return 4L * (gradient ? shape.inputPixels() : shape.outputPixels());
  }

  private static long roundUp(long bytes) {
    return (bytes + HostMemory.ALIGNMENT - 1) / HostMemory.ALIGNMENT * HostMemory.ALIGNMENT;
  }

  @Override
  public boolean warmUp() {
    return math.await() && micro.warmUp() && (chain == null || chain.rows().warmUp());
  }

  @Override
  public String name() {
    return gradient
        ? "conv2d_input_grad_depthwise_f32"
        : "conv2d_depthwise_f32" + (chain == null ? "" : "_epilogue");
  }
}
