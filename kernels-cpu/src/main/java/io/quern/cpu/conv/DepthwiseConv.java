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

  private DepthwiseConv(
      ConvShape shape, boolean gradient, boolean hasBias, @Nullable ConvChain chain) {
    this.shape = shape;
    this.chain = chain;
    this.gradient = gradient;
    this.plane = gradient ? DepthwisePlane.inputGrad(shape) : DepthwisePlane.forward(shape);
    this.sources = gradient ? shape.oc() : 1;
    this.results = gradient ? 1 : shape.oc();
    this.hasBias = hasBias;
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
    ConvChain chain = shape == null ? null : ConvChain.of(key, operands, program);
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

  private void compute(Operands call, int chunk) {
    int taps = plane.taps();
    long offsets = sources * plane.bytes();
    long aside = offsets + roundUp(4L * sources * taps);
    MemoryPool.Block memory = HostMemory.shared().allocate(aside + 4L * plane.positions());
    long base = memory.address();
    Raw.zero(base, offsets);
    for (int i = 0; i < sources; i++) {
      plane.offsets(base + offsets + 4L * i * taps, i * plane.bytes());
    }
    int end = Math.min(units(), (chunk + 1) * perChunk());
    for (int unit = chunk * perChunk(); unit < end; unit++) {
      compute(call, unit, base, base + offsets, base + aside);
    }
    HostMemory.shared().free(memory);
  }

  /** A group of an image. */
  private void compute(Operands call, int unit, long planes, long offsets, long aside) {
    int taps = plane.taps();
    long source = call.address(gradient ? 1 : 0) + (long) unit * sources * sourceBytes();
    for (int i = 0; i < sources; i++) {
      plane.replace(source + i * sourceBytes(), planes + i * plane.bytes());
    }
    int group = unit % shape.groups();
    long weights = call.address(gradient ? 0 : 1) + 4L * group * shape.oc() * taps;
    long target = call.address(call.count() - 1) + (long) unit * results * targetBytes();
    DepthwiseMath now = math.get();
    for (int i = 0; i < results; i++) {
      long filter = weights + 4L * i * taps;
      now.filter(planes, offsets, filter, sources * taps, aside, plane.positions());
      float bias = hasBias ? Raw.getFloat(call.address(2) + 4L * (group * results + i)) : 0;
      long to = target + i * targetBytes();
      copyOut(aside, to, bias);
      if (chain != null) {
        chain.apply(call, (long) unit * results + i, 1, 0, 0, shape.outputPixels(), to);
      }
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
