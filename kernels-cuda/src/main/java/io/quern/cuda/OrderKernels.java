package io.quern.cuda;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.gpu.GpuContext;
import io.quern.gpu.Grid;
import io.quern.gpu.Launch;
import io.quern.gpu.LaunchKernel;
import io.quern.gpu.Parameters;
import io.quern.op.AxisShape;
import io.quern.op.Sort;
import io.quern.op.TopK;
import org.jspecify.annotations.Nullable;

/** Orders of short lanes, and the first few elements of long ones, by {@code order.cu}. */
final class OrderKernels {
  private static final String FILE = "order";
  private static final int THREADS = 256;

  /** The longest lanes that a warp sorts, and the longest that a block does. */
  private static final long WARP_SORTS = 1024;

  private static final long BLOCK_SORTS = 4096;

  /** Lanes of which a block of 128 threads sorts four. */
  private static final int WARPS = 4;

  /** The most elements that are selected. */
  private static final long MOST_SELECTED = 1024;

  /** Blocks that are enough for a device, and the least elements of one. */
  private static final long ENOUGH = 512;

  private static final long PART = 4096;

  /** The most elements, so that there are not too many blocks. */
  private static final long MOST = 1L << 31;

  private final GpuContext context;
  private final AxisShape shape;
  private final long count;
  private final boolean descending;

  private OrderKernels(GpuContext context, KernelKey key, int axis, boolean descending) {
    this.context = context;
    this.shape = AxisShape.of(key.shape(0), axis);
    this.count = key.shape(1).dim(axis);
    this.descending = descending;
  }

  static @Nullable Kernel sort(GpuContext context, KernelKey key) {
    Sort op = (Sort) key.op();
    OrderKernels order = new OrderKernels(context, key, op.axis(), op.descending());
    return covers(key) && order.shape.size() <= BLOCK_SORTS ? order.sorted() : null;
  }

  static @Nullable Kernel topK(GpuContext context, KernelKey key) {
    TopK op = (TopK) key.op();
    OrderKernels order = new OrderKernels(context, key, op.axis(), op.largest());
    if (!covers(key) || order.count == 0) {
      return null;
    }
    if (op.sorted() && order.shape.size() <= WARP_SORTS) {
      return order.sorted();
    }
    return order.count <= MOST_SELECTED ? order.selected(!op.sorted()) : null;
  }

  private static boolean covers(KernelKey key) {
    Shape shape = key.shape(0);
    return key.dtype(0) == DType.F32 && key.isContiguous() && shape.size() < MOST;
  }

  private Kernel sorted() {
    long size = shape.size();
    boolean byWarp = size <= WARP_SORTS;
    long places = size <= 128 ? 128 : byWarp ? Long.highestOneBit(size - 1) << 1 : BLOCK_SORTS;
    Grid grid =
        byWarp
            ? Grid.of(Math.ceilDiv(shape.lanes(), WARPS), 32 * WARPS)
            : Grid.of(shape.lanes(), THREADS);
    Parameters parameters = new Parameters().operand(1).operand(2).operand(0).struct(lanes());
    parameters.number(count).number(flag(descending));
    return new LaunchKernel(
        context, "sort_lanes_f32", launch("sort_lanes_" + places, grid, parameters));
  }

  /** Selects from parts of lanes, if there are few lanes, and from what that gave. */
  private Kernel selected(boolean byPosition) {
    int entries = 3;
    long parts =
        Math.clamp(ENOUGH / Math.max(1, shape.lanes()), 1, Math.ceilDiv(shape.size(), PART));
    long part = 4 * Math.ceilDiv(shape.size(), 4 * parts);
    long all = shape.lanes() * parts * count;
    Launch first =
        launch(
            "select_f32",
            Grid.of(shape.lanes() * parts, THREADS),
            new Parameters()
                .operand(entries)
                .operand(0)
                .struct(lanes())
                .number(parts)
                .number(part)
                .number(count)
                .number(flag(descending))
                .number(flag(byPosition && parts == 1)));
    Launch values =
        Launch.of(
            context,
            "scan",
            "order_values_f32",
            Grid.covering(shape.lanes() * count, THREADS),
            new Parameters()
                .operand(1)
                .operand(2)
                .operand(0)
                .operand(entries)
                .number(parts == 1 ? 0 : all)
                .number(count)
                .struct(lanes())
                .number(count));
    if (parts == 1) {
      return new LaunchKernel(context, "select_f32", 8 * all, first, values);
    }
    Launch last =
        launch(
            "select_entries",
            Grid.of(shape.lanes(), THREADS),
            new Parameters()
                .operand(entries)
                .number(parts * count)
                .number(count)
                .number(flag(byPosition)));
    long scratch = 8 * (all + shape.lanes() * count);
    return new LaunchKernel(context, "select_f32", scratch, first, last, values);
  }

  private long[] lanes() {
    return new long[] {shape.lanes(), shape.size(), shape.inner()};
  }

  private static long flag(boolean value) {
    return value ? 1 : 0;
  }

  private Launch launch(String name, Grid grid, Parameters parameters) {
    return Launch.of(context, FILE, name, grid, parameters);
  }
}
