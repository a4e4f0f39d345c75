package io.quern.cpu.scan;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.AxisShape;
import io.quern.op.Sort;
import io.quern.op.TopK;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Sort and TopK of contiguous floats, lane by lane: radix sort, or insertion for a few. */
public final class OrderKernel implements Kernel {
  private static final long CHUNK = 4096;

  private final AxisShape shape;
  private final long count;
  private final boolean descending;
  private final boolean sorted;
  private final boolean few;
  private final long perChunk;
  private final String name;

  private OrderKernel(
      AxisShape shape, long count, boolean descending, boolean sorted, boolean few, String name) {
    this.shape = shape;
    this.count = count;
    this.descending = descending;
    this.sorted = sorted;
    this.few = few;
    this.perChunk = Math.max(1, CHUNK / Math.max(1, shape.size()));
    this.name = name;
  }

  private static boolean fits(KernelKey key, int axis) {
    return key.dtype(0) == DType.F32
        && key.isContiguous()
        && key.shape(0).dim(axis) <= Integer.MAX_VALUE;
  }

  /** The kernel of a Sort, or null when it is not contiguous F32. */
  public static @Nullable Kernel sort(KernelKey key) {
    if (!(key.op() instanceof Sort(int axis, boolean descending)) || !fits(key, axis)) {
      return null;
    }
    AxisShape shape = AxisShape.of(key.shape(0), axis);
    return new OrderKernel(shape, shape.size(), descending, true, false, "sort_f32_radix");
  }

  /** The kernel of a TopK, or null when it is not contiguous F32. */
  public static @Nullable Kernel topK(KernelKey key) {
    if (!(key.op() instanceof TopK op) || !fits(key, op.axis())) {
      return null;
    }
    AxisShape shape = AxisShape.of(key.shape(0), op.axis());
    boolean few = op.count() <= FloatOrder.FEW;
    String name = few ? "top_k_f32_insertion" : "top_k_f32_radix";
    return new OrderKernel(shape, op.count(), op.largest(), op.sorted(), few, name);
  }

  private record Call(OrderKernel kernel, long from, long values, long indices) {}

  @Override
  public void run(Operands operands) {
    if (count == 0) {
      return;
    }
    Workers.shared()
        .run(
            OrderKernel::chunk,
            new Call(this, operands.address(0), operands.address(1), operands.address(2)),
            Math.toIntExact((shape.lanes() + perChunk - 1) / perChunk));
  }

  private static void chunk(Call call, int chunk) {
    OrderKernel kernel = call.kernel;
    long entries = 8 * (kernel.few ? kernel.count : kernel.shape.size());
    MemoryPool.Block scratch = HostMemory.shared().allocate(2 * entries + FloatOrder.TABLE);
    try {
      long end = Math.min(kernel.shape.lanes(), (chunk + 1) * kernel.perChunk);
      for (long lane = chunk * kernel.perChunk; lane < end; lane++) {
        kernel.lane(call, lane, scratch.address(), entries);
      }
    } finally {
      HostMemory.shared().free(scratch);
    }
  }

  private void lane(Call call, long lane, long scratch, long bytes) {
    long step = 4 * shape.inner();
    long from = call.from + 4 * shape.start(lane, shape.size());
    long first = shape.start(lane, count);
    long order = scratch;
    if (few) {
      FloatOrder.least(from, step, shape.size(), descending, (int) count, scratch);
    } else {
      FloatOrder.read(from, step, shape.size(), descending, scratch);
      order = FloatOrder.sort(scratch, scratch + bytes, shape.size(), scratch + 2 * bytes);
    }
    if (!sorted) {
      sortByPosition(order);
    }
    for (long i = 0; i < count; i++) {
      long position = Raw.getLong(order + 8 * i) & 0xFFFFFFFFL;
      long at = first + i * shape.inner();
      Raw.putInt(call.values + 4 * at, Raw.getInt(from + position * step));
      Raw.putLong(call.indices + 8 * at, position);
    }
  }

  private void sortByPosition(long order) {
    long[] positions = new long[(int) count];
    for (int i = 0; i < positions.length; i++) {
      positions[i] = Raw.getLong(order + 8L * i) & 0xFFFFFFFFL;
    }
    Arrays.sort(positions);
    for (int i = 0; i < positions.length; i++) {
      Raw.putLong(order + 8L * i, positions[i]);
    }
  }

  @Override
  public String name() {
    return name;
  }
}
