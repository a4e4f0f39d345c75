package io.quern.opencl;

import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.KernelTable;
import io.quern.gpu.ConvKernels;
import io.quern.gpu.ConvTile;
import io.quern.gpu.GpuContext;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Epilogue;
import io.quern.op.Op;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Convolutions on processors: a thread makes a strip of columns, by the strips of {@code conv.cl}.
 */
final class Strips {
  /** Rows and columns of a strip. */
  private static final int ROWS = 4096;

  private static final int COLUMNS = 32;

  /** Steps of a sum that are worth a part of their own. */
  private static final long PART = 512;

  /** Strips that are enough for each processor. */
  private static final int STRIPS = 4;

  private Strips() {}

  static void addTo(KernelTable table, GpuContext context, int processors) {
    List<Class<? extends Op>> ops =
        List.of(Conv2d.class, Epilogue.class, Conv2dInputGrad.class, Conv2dWeightGrad.class);
    for (Class<? extends Op> op : ops) {
      context.add(table, op, "conv2d_strips_f32", key -> create(context, key, processors));
    }
  }

  private static @Nullable Kernel create(GpuContext context, KernelKey key, int processors) {
    return ConvKernels.create(
        context,
        key,
        (m, n, k, groups) -> {
          long strips = Math.ceilDiv(n, COLUMNS) * Math.ceilDiv(m, ROWS) * groups;
          long wanted = Math.ceilDiv((long) STRIPS * processors, Math.max(1, strips));
          int parts = (int) Math.max(1, Math.min(wanted, k / PART));
          return new ConvTile(ROWS, COLUMNS, 1, 1, parts);
        });
  }
}
