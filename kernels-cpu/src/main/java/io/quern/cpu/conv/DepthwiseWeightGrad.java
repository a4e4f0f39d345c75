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
 * shifted channel and the gradient, summed over positions and then images in 64 lanes. Contiguous
 * floats. Immutable and thread-safe.
 */
public final class DepthwiseWeightGrad implements Kernel {
  private static final long LANE_BYTES = 4L * DepthwiseMath.LANES;

  private final Twins<DepthwiseMath> math = DepthwiseMath.twins();
  private final Workers.Task<Operands> task = this::compute;
  private final ConvShape shape;
  private final DepthwisePlane plane;

  private DepthwiseWeightGrad(ConvShape shape) {
    this.shape = shape;
    this.plane = DepthwisePlane.forward(shape);
  }

  /** The kernel for {@code key}, or null when it is not depthwise or not contiguous F32. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!key.all(DType.F32)
        || !key.isContiguous()
        || !(key.op() instanceof Conv2dWeightGrad grad)) {
      return null;
    }
    ConvShape shape =
        ConvShape.depthwise(
            grad.window(), grad.groups(), key.shape(0), key.output().shape(), key.shape(1));
    return shape == null ? null : new DepthwiseWeightGrad(shape);
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, shape.groups());
  }

  private void compute(Operands call, int group) {
    int taps = plane.taps();
    long lanesBytes = LANE_BYTES * taps * shape.oc();
    long gradients = lanesBytes + plane.bytes();
    long offsets = gradients + 4L * plane.positions();
    MemoryPool.Block memory = HostMemory.shared().allocate(offsets + 4L * taps);
    long base = memory.address();
    Raw.zero(base, lanesBytes);
    Raw.zero(base + gradients, 4L * plane.positions());
    plane.offsets(base + offsets, lanesBytes);
    DepthwiseMath now = math.get();
    for (int image = 0; image < shape.n(); image++) {
      long index = (long) image * shape.groups() + group;
      plane.fill(call.address(0) + index * shape.imageBytes(), base + lanesBytes);
      for (int i = 0; i < shape.oc(); i++) {
        spread(
            call.address(1) + index * shape.outputBytes() + 4L * i * shape.outputPixels(),
            base + gradients);
        for (int tap = 0; tap < taps; tap++) {
          now.correlate(
              base + Raw.getInt(base + offsets + 4L * tap),
              base + gradients,
              plane.positions(),
              base + LANE_BYTES * ((long) i * taps + tap));
        }
      }
    }
    long to = call.address(2) + group * shape.weightBytes();
    for (int i = 0; i < shape.oc() * taps; i++) {
      Raw.putFloat(to + 4L * i, fold(base + LANE_BYTES * i));
    }
    HostMemory.shared().free(memory);
  }

  /** Lays rows of the gradient out like positions; what is between them stays zero. */
  private void spread(long from, long to) {
    long row = 4L * plane.columns();
    for (int y = 0; y < plane.rows(); y++) {
      Raw.copy(from + y * row, to + 4L * y * plane.pitch(), row);
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
