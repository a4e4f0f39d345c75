package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.AxisShape;
import io.quern.op.CumSum;
import io.quern.op.Sort;
import io.quern.op.TopK;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Running sums and orders by {@code scan.cu}. */
final class ScanKernels {
  private static final String FILE = "scan";
  private static final int THREADS = 256;

  /** Lanes side by side that a thread each is enough for. */
  private static final long SIDE_BY_SIDE = 4096;

  /** Threads of a block that goes along lanes side by side, a warp's worth of them. */
  private static final int COLUMN_THREADS = 512;

  /** From as many lanes on there are enough such blocks, up to as many they are needed. */
  private static final long LEAST_COLUMNS = 1 << 10;

  private static final long MOST_COLUMNS = 1 << 17;

  private static final int WARP = 32;

  /** Elements of a lane that a warp does at once. */
  private static final long SHORT = 128;

  /** Elements of a part of a lane, where there are few lanes. */
  private static final long PART = 1 << 13;

  private static final long FEW = 256;

  /** The most elements, so that there are not too many blocks. */
  private static final long MOST = 1L << 31;

  private final GpuContext context;
  private final AxisShape shape;

  private ScanKernels(GpuContext context, Shape shape, int axis) {
    this.context = context;
    this.shape = AxisShape.of(shape, axis);
  }

  static @Nullable Kernel cumSum(GpuContext context, KernelKey key) {
    if (!key.all(DType.F32) || !key.isContiguous() || key.shape(0).size() >= MOST) {
      return null;
    }
    CumSum op = (CumSum) key.op();
    return new ScanKernels(context, key.shape(0), op.axis()).cumSum(op);
  }

  private Kernel cumSum(CumSum op) {
    if (isByColumns()) {
      Grid grid = Grid.of(Math.ceilDiv(shape.lanes(), WARP), COLUMN_THREADS);
      return sideBySide("cum_sum_columns_f32", grid, op);
    }
    if (shape.inner() >= WARP && shape.lanes() >= SIDE_BY_SIDE) {
      return sideBySide("cum_sum_lanes_f32", Grid.covering(shape.lanes(), THREADS), op);
    }
    long parts = shape.lanes() >= FEW ? 1 : Math.max(1, (shape.size() + PART - 1) / PART);
    if (parts == 1) {
      Parameters parameters = new Parameters().operand(1).operand(0).address(0).struct(lanes());
      Launch launch =
          isByWarps()
              ? byWarps(parameters, op)
              : cumSum(parameters, shape.lanes(), 1, shape.size(), op);
      return new LaunchKernel(context, "cum_sum_f32", launch);
    }
    if (context.function(FILE, "cum_sum_chained_f32") != 0) {
      return chained(parts, op);
    }
    Parameters sums = new Parameters().operand(2).operand(0).struct(lanes());
    sums.number(parts).number(PART).number(flag(op.reverse()));
    // The sums of parts lie in the order in which they are added.
    Parameters starts =
        new Parameters().operand(2).operand(2).address(0).struct(shape.lanes(), parts, 1);
    Parameters parameters = new Parameters().operand(1).operand(0).operand(2).struct(lanes());
    return new LaunchKernel(
        context,
        "cum_sum_f32_parts",
        4 * shape.lanes() * parts,
        launch("part_sums_f32", Grid.of(shape.lanes() * parts, THREADS), sums),
        cumSum(starts, shape.lanes(), 1, parts, new CumSum(0, true, false)),
        cumSum(parameters, shape.lanes(), parts, PART, op));
  }

  /** In one go over the lanes, where blocks may wait for those that began before them. */
  private Kernel chained(long parts, CumSum op) {
    long groups = Math.ceilDiv(parts, THREADS);
    long words = 1 + shape.lanes() * (parts + groups);
    Parameters parameters = new Parameters().operand(1).operand(0).operand(2).struct(lanes());
    parameters.number(parts).number(flag(op.exclusive())).number(flag(op.reverse()));
    return new LaunchKernel(
        context,
        "cum_sum_chained_f32",
        8 * words,
        launch(
            "clear_words",
            Grid.covering(words, THREADS),
            new Parameters().operand(2).number(words)),
        launch("cum_sum_chained_f32", Grid.of(shape.lanes() * parts, THREADS), parameters));
  }

  private Kernel sideBySide(String name, Grid grid, CumSum op) {
    Parameters parameters = new Parameters().operand(1).operand(0).struct(lanes());
    parameters.number(flag(op.exclusive())).number(flag(op.reverse()));
    return new LaunchKernel(context, name, launch(name, grid, parameters));
  }

  /** Whether lanes lie side by side, are long, and too few for a thread each. */
  private boolean isByColumns() {
    return shape.inner() >= WARP
        && shape.size() > SHORT
        && shape.lanes() >= LEAST_COLUMNS
        && shape.lanes() < MOST_COLUMNS
        && context.function(FILE, "cum_sum_columns_f32") != 0;
  }

  private Launch cumSum(Parameters parameters, long lanes, long parts, long partLength, CumSum op) {
    addTo(parameters, parts, partLength, op);
    return launch("cum_sum_f32", Grid.of(lanes * parts, THREADS), parameters);
  }

  private static void addTo(Parameters parameters, long parts, long partLength, CumSum op) {
    parameters.number(parts).number(partLength);
    parameters.number(flag(op.exclusive())).number(flag(op.reverse()));
  }

  /** Whether a warp for each lane is enough, on devices that have warps. */
  private boolean isByWarps() {
    return shape.lanes() >= SIDE_BY_SIDE && context.function(FILE, "cum_sum_rows_f32") != 0;
  }

  private Launch byWarps(Parameters parameters, CumSum op) {
    addTo(parameters, 1, shape.size(), op);
    String name = shape.size() <= SHORT ? "cum_sum_short_rows_f32" : "cum_sum_rows_f32";
    return launch(name, Grid.covering(shape.lanes() * WARP, THREADS), parameters);
  }

  static @Nullable Kernel sort(GpuContext context, KernelKey key) {
    Sort op = (Sort) key.op();
    return ordered(context, key, op.axis(), op.descending(), true);
  }

  static @Nullable Kernel topK(GpuContext context, KernelKey key) {
    TopK op = (TopK) key.op();
    return ordered(context, key, op.axis(), op.largest(), op.sorted());
  }

  private static @Nullable Kernel ordered(
      GpuContext context, KernelKey key, int axis, boolean descending, boolean sorted) {
    ScanKernels scan = new ScanKernels(context, key.shape(0), axis);
    boolean covered =
        key.dtype(0) == DType.F32
            && key.isContiguous()
            && Sorting.fits(scan.shape.lanes(), scan.shape.size());
    return covered ? scan.ordered(key.output().shape().dim(axis), descending, sorted) : null;
  }

  /** Sorts entries of value and position, and those that are wanted by position if need be. */
  private Kernel ordered(long count, boolean descending, boolean sorted) {
    int entries = 3;
    long n = Sorting.padded(shape.size());
    List<Launch> launches = new ArrayList<>();
    launches.add(
        launch(
            "order_entries_f32",
            Grid.covering(shape.lanes() * n, THREADS),
            new Parameters()
                .operand(entries)
                .number(n)
                .operand(0)
                .struct(lanes())
                .number(flag(descending))));
    launches.addAll(Sorting.launches(context, entries, 0, shape.lanes(), n));
    long kept = sorted ? 0 : Sorting.padded(count);
    long at = 0;
    if (!sorted) {
      at = shape.lanes() * n;
      launches.add(
          launch(
              "order_positions",
              Grid.covering(shape.lanes() * kept, THREADS),
              new Parameters()
                  .operand(entries)
                  .number(n)
                  .number(kept)
                  .number(shape.lanes())
                  .number(count)));
      launches.addAll(Sorting.launches(context, entries, at, shape.lanes(), kept));
    }
    launches.add(
        launch(
            "order_values_f32",
            Grid.covering(shape.lanes() * count, THREADS),
            new Parameters()
                .operand(1)
                .operand(2)
                .operand(0)
                .operand(entries)
                .number(at)
                .number(sorted ? n : kept)
                .struct(lanes())
                .number(count)));
    return new LaunchKernel(
        context, "order_f32", 8 * shape.lanes() * (n + kept), launches.toArray(Launch[]::new));
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
