package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.op.Conv2dWeightGrad;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Conv2dWeightGrad whose groups have one input channel each: for each tap, the product of the
 * shifted channel and the gradient, summed over positions and then images in 16 lanes. Contiguous
 * floats. Immutable and thread-safe.
 */
public final class DepthwiseWeightGrad implements Kernel {
  private static final long LANE_BYTES = 4L * DepthwiseMath.LANES;

  /** Results of a group that are a chunk of work. */
  private static final int TOGETHER = 16;

  private final Twins<DepthwiseMath> math = DepthwiseMath.twins();
  private final Workers.Task<Operands> task = this::compute;
  private final ConvShape shape;
  private final DepthwisePlane plane;
  private final int[] offsets;
  private final PlaneCode.@Nullable Pair machine;

  private DepthwiseWeightGrad(ConvShape shape) {
    this.shape = shape;
    this.plane = DepthwisePlane.forward(shape);
    this.offsets = plane.offsets();
    this.machine = MachineCorrelation.of(plane, gradientBytes());
  }

  /** The kernel for {@code key}, or null when it is not depthwise or not contiguous F32. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!key.all(DType.F32)
        || !key.isContiguous()
        || !(key.op() instanceof Conv2dWeightGrad grad)) {
      return null;
    }
    ConvShape shape =
        ConvShape.filters(
            grad.window(), grad.groups(), key.shape(0), key.output().shape(), key.shape(1));
    return shape == null ? null : new DepthwiseWeightGrad(shape);
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, shape.groups() * chunksPerGroup());
  }

  private int chunksPerGroup() {
    return Math.ceilDiv(shape.oc(), TOGETHER);
  }

  private long gradientBytes() {
    return 4L * shape.outputPixels();
  }

  private void compute(Operands call, int chunk) {
    int group = chunk / chunksPerGroup();
    int first = chunk % chunksPerGroup() * TOGETHER;
    int count = Math.min(TOGETHER, shape.oc() - first);
    int taps = offsets.length;
    long lanesBytes = LANE_BYTES * taps * count;
    MemoryPool.Block memory = HostMemory.shared().allocate(lanesBytes + plane.bytes());
    long lanes = memory.address();
    long channel = lanes + lanesBytes;
    Raw.zero(lanes, lanesBytes + plane.bytes());
    for (int image = 0; image < shape.n(); image++) {
      long index = (long) image * shape.groups() + group;
      plane.replace(call.address(0) + index * shape.imageBytes(), channel);
      long gradients = call.address(1) + index * shape.outputBytes() + first * gradientBytes();
      correlate(channel, gradients, lanes, count);
    }
    long to = call.address(2) + group * shape.weightBytes() + 4L * taps * first;
    for (int i = 0; i < count * taps; i++) {
      Raw.putFloat(to + 4L * i, fold(lanes + LANE_BYTES * i));
    }
    HostMemory.shared().free(memory);
  }

  private void correlate(long channel, long gradients, long lanes, int count) {
    if (machine != null) {
      machine.run(channel, lanes, LANE_BYTES * offsets.length, 0, 0, gradients, count);
      return;
    }
    DepthwiseMath now = math.get();
    for (int i = 0; i < count; i++) {
      long matrix = gradients + i * gradientBytes();
      long ofOne = lanes + LANE_BYTES * i * offsets.length;
      now.correlate(
          channel, offsets, 4L * plane.pitch(), matrix, plane.rows(), plane.columns(), ofOne);
    }
  }

  private static float fold(long lanes) {
    for (int half = DepthwiseMath.LANES / 2; half > 0; half /= 2) {
      for (long at = lanes; at < lanes + 4L * half; at += 4) {
        Raw.putFloat(at, Raw.getFloat(at) + Raw.getFloat(at + 4L * half));
      }
    }
    return Raw.getFloat(lanes);
  }

  @Override
  public boolean warmUp() {
    return math.await();
  }

  @Override
  public String name() {
    return "conv2d_weight_grad_depthwise_f32";
  }
}
