package io.quern.cpu.scan;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.AxisShape;
import io.quern.op.CumSum;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** CumSum of contiguous floats; a chunk is a few neighbouring lanes. */
public final class CumSumKernel implements Kernel {
  private static final long CHUNK = 16384;

  private final AxisShape shape;
  private final boolean exclusive;
  private final boolean reverse;
  private final long perChunk;

  private CumSumKernel(AxisShape shape, CumSum op) {
    this.shape = shape;
    this.exclusive = op.exclusive();
    this.reverse = op.reverse();
    this.perChunk = Math.max(1, CHUNK / Math.max(1, shape.size()));
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.isContiguous() && key.op() instanceof CumSum op
        ? new CumSumKernel(AxisShape.of(key.shape(0), op.axis()), op)
        : null;
  }

  private record Call(CumSumKernel kernel, long from, long to) {}

  @Override
  public void run(Operands operands) {
    Workers.shared()
        .run(
            CumSumKernel::chunk,
            new Call(this, operands.address(0), operands.address(1)),
            Math.toIntExact((shape.lanes() + perChunk - 1) / perChunk));
  }

  private static void chunk(Call call, int chunk) {
    CumSumKernel kernel = call.kernel;
    long end = Math.min(kernel.shape.lanes(), (chunk + 1) * kernel.perChunk);
    for (long lane = chunk * kernel.perChunk; lane < end; lane++) {
      kernel.lane(call.from, call.to, lane);
    }
  }

  private void lane(long from, long to, long lane) {
    long length = shape.size();
    long step = 4 * shape.inner();
    long offset = 4 * shape.start(lane, length);
    if (reverse) {
      offset += (length - 1) * step;
      step = -step;
    }
    float sum = 0;
    for (long i = 0; i < length; i++) {
      float next = sum + Raw.getFloat(from + offset);
      Raw.putFloat(to + offset, exclusive ? sum : next);
      sum = next;
      offset += step;
    }
  }

  @Override
  public String name() {
    return "cum_sum_f32";
  }
}
