package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.AxisShape;
import io.quern.op.Concat;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.Layout;
import io.quern.op.Pad;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Picking by index, joining and padding by {@code index.cu}. */
final class IndexKernels {
  private static final String FILE = "index";
  private static final int THREADS = 256;

  /** The most threads that copy, which are enough to be fast. */
  private static final long COPYING = 1 << 20;

  /** Elements that a thread pads. */
  private static final long PADDED = 4;

  /** The most pieces of an output, with room for the step of a loop in 32 bits. */
  private static final long MOST = 1L << 31;

  /** The most pairs of an index and an element of its lane that are compared. */
  private static final double COMPARED = 1L << 34;

  private IndexKernels() {}

  static @Nullable Kernel gather(GpuContext context, KernelKey key) {
    if (!fits(key)) {
      return null;
    }
    AxisShape data = AxisShape.of(key.shape(0), ((Gather) key.op()).axis());
    long count = key.shape(1).size();
    long bytes = data.inner() * key.dtype(0).bytes();
    Parameters parameters =
        new Parameters()
            .operand(2)
            .operand(0)
            .operand(1)
            .number(isLong(key, 1))
            .struct(data.outer() * count, count, data.size(), bytes);
    context.fault().addTo(parameters, key.op().name());
    Launch launch = launch(context, "gather", copies(data.outer() * count, bytes), parameters);
    return new CheckedKernel(context, "gather", 0, List.of(launch));
  }

  /**
   * Sorts the indices, which brings those of a slice together in their order, and sums slice by
   * slice.
   */
  static @Nullable Kernel gatherGrad(GpuContext context, KernelKey key) {
    Shape indices = key.shape(0);
    if (!fits(key) || key.dtype(1) != DType.F32 || !Sorting.fits(1, indices.size())) {
      return null;
    }
    AxisShape data = AxisShape.of(key.shape(2), ((GatherGrad) key.op()).axis());
    long count = indices.size();
    long n = Sorting.padded(count);
    int entries = key.operands();
    List<Launch> launches = new ArrayList<>();
    Parameters forEntries =
        new Parameters()
            .operand(entries)
            .number(n)
            .operand(0)
            .number(isLong(key, 0))
            .number(count)
            .number(data.size());
    context.fault().addTo(forEntries, key.op().name());
    launches.add(launch(context, "index_entries", Grid.covering(n, THREADS), forEntries));
    launches.addAll(Sorting.launches(context, entries, 0, 1, n));
    launches.add(
        launch(
            context,
            "index_starts",
            Grid.covering(data.size() + 1, THREADS),
            new Parameters().operand(entries).number(n).number(data.size())));
    long rows = data.outer() * data.size();
    long bytes = 4 * data.inner();
    launches.add(
        launch(
            context,
            "gather_grad_f32",
            copies(rows, bytes),
            new Parameters()
                .operand(2)
                .operand(1)
                .operand(entries)
                .number(n)
                .struct(rows, count, data.size(), bytes)));
    long scratch = 8 * (n + data.size() + 1);
    return new CheckedKernel(context, "gather_grad_f32", scratch, launches);
  }

  static @Nullable Kernel takeAlong(GpuContext context, KernelKey key) {
    int axis = ((TakeAlong) key.op()).axis();
    AxisShape data = AxisShape.of(key.shape(0), axis);
    long taken = key.shape(1).dim(axis);
    String name = "take_along_" + key.dtype(0).bytes();
    return fits(key) ? along(context, key, name, 0, 1, data, taken, data.lanes() * taken) : null;
  }

  static @Nullable Kernel takeAlongGrad(GpuContext context, KernelKey key) {
    int axis = ((TakeAlongGrad) key.op()).axis();
    long elements = key.output().shape().size();
    AxisShape data = AxisShape.of(key.shape(2), axis);
    long taken = key.shape(0).dim(axis);
    return fits(key) && key.dtype(1) == DType.F32 && (double) elements * taken <= COMPARED
        ? along(context, key, "take_along_grad_f32", 1, 0, data, taken, elements)
        : null;
  }

  /** A thread for each of the results that values and indices give, two operands. */
  private static Kernel along(
      GpuContext context,
      KernelKey key,
      String name,
      int values,
      int indices,
      AxisShape data,
      long taken,
      long results) {
    Parameters parameters =
        new Parameters()
            .operand(2)
            .operand(values)
            .operand(indices)
            .number(isLong(key, indices))
            .struct(data.outer(), data.size(), data.inner(), taken);
    context.fault().addTo(parameters, key.op().name());
    Launch launch = launch(context, name, Grid.covering(results, THREADS), parameters);
    return new CheckedKernel(context, name, 0, List.of(launch));
  }

  static @Nullable Kernel concat(GpuContext context, KernelKey key) {
    if (!fits(key)) {
      return null;
    }
    int axis = ((Concat) key.op()).axis();
    int bytes = key.dtype(0).bytes();
    AxisShape joined = AxisShape.of(key.output().shape(), axis);
    long pitch = joined.size() * joined.inner() * bytes;
    Launch[] launches = new Launch[key.inputs()];
    long offset = 0;
    for (int i = 0; i < launches.length; i++) {
      long row = key.shape(i).dim(axis) * joined.inner() * bytes;
      launches[i] =
          launch(
              context,
              "copy_rows",
              copies(joined.outer(), row),
              new Parameters()
                  .operand(key.inputs())
                  .number(offset)
                  .operand(i)
                  .number(joined.outer())
                  .number(row)
                  .number(pitch));
      offset += row;
    }
    return new LaunchKernel(context, "copy_rows", 0, launches);
  }

  static @Nullable Kernel pad(GpuContext context, KernelKey key) {
    Layout input = key.layout(0);
    Shape output = key.output().shape();
    boolean hasRows = input.rank() > 0 && input.rank() <= Walk.RANK;
    if (!key.all(DType.F32) || !hasRows || output.size() >= MOST) {
      return null;
    }
    Pad pad = (Pad) key.op();
    long[] words = new long[2 + 5 * Walk.RANK];
    words[0] = output.size();
    words[1] = input.rank();
    for (int d = 0; d < input.rank(); d++) {
      words[2 + d] = output.dim(d);
      words[2 + Walk.RANK + d] = pad.low().get(d);
      words[2 + 2 * Walk.RANK + d] = pad.interior().get(d) + 1;
      words[2 + 3 * Walk.RANK + d] = input.shape().dim(d);
      words[2 + 4 * Walk.RANK + d] = input.stride(d);
    }
    Parameters parameters =
        new Parameters().operand(1).operand(0).number((float) pad.value()).struct(words);
    Grid grid = Grid.covering(Math.ceilDiv(output.size(), PADDED), THREADS);
    return new LaunchKernel(context, "pad_f32", launch(context, "pad_f32", grid, parameters));
  }

  /** Whether all operands are contiguous and numbers of 32 bits count the output's pieces. */
  private static boolean fits(KernelKey key) {
    int bytes = key.dtype(key.inputs()).bytes();
    long pieces = key.output().shape().size() * (bytes < 4 ? bytes : bytes / 4);
    return key.isContiguous() && pieces < MOST;
  }

  private static long isLong(KernelKey key, int operand) {
    return key.dtype(operand) == DType.I64 ? 1 : 0;
  }

  /** The grid that copies rows, in the widest pieces that divide them. */
  private static Grid copies(long rows, long bytes) {
    long piece = bytes % 16 == 0 ? 16 : bytes % 4 == 0 ? 4 : 1;
    return Grid.covering(Math.min(rows * bytes / piece, COPYING), THREADS);
  }

  private static Launch launch(GpuContext context, String name, Grid grid, Parameters parameters) {
    return Launch.of(context, FILE, name, grid, parameters);
  }
}
