package io.quern.cuda;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Products of matrices by {@code matmul.cu}. */
final class MatMulKernels {
  private static final String FILE = "matmul";
  private static final int THREADS = 256;

  /** The most blocks in the last dimension of a grid. */
  private static final int BATCH = 65535;

  private MatMulKernels() {}

  static @Nullable Kernel create(CudaContext context, KernelKey key) {
    Shape output = key.output().shape();
    int lead = output.rank() - 2;
    Shape batch = output.slice(0, lead);
    if (!key.all(DType.F32) || batch.size() > BATCH) {
      return null;
    }
    return Walk.over(List.of(batch(key.layout(0), batch), batch(key.layout(1), batch)))
        .map(walk -> create(context, key, walk))
        .orElse(null);
  }

  /** The first elements of the matrices. */
  private static Layout batch(Layout matrices, Shape batch) {
    int rank = matrices.rank();
    Layout firsts = matrices.slice(rank - 2, 0, 1, 1).slice(rank - 1, 0, 1, 1);
    return firsts.expand(batch.concat(Shape.of(1, 1)));
  }

  private static Kernel create(CudaContext context, KernelKey key, Walk batch) {
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    long m = a.shape().dim(-2);
    long k = a.shape().dim(-1);
    long n = b.shape().dim(-1);
    long large = blocks(m, n, 128) * batch.count();
    int tile = large >= context.multiprocessors() ? 128 : 32;
    String name = "matmul_" + tile + "_f32";
    Parameters parameters =
        new Parameters()
            .operand(2)
            .operand(0)
            .operand(1)
            .struct(m, n, k, a.stride(-2), a.stride(-1), b.stride(-2), b.stride(-1))
            .struct(batch.words());
    Grid grid =
        new Grid(
            Math.toIntExact((n + tile - 1) / tile),
            Math.toIntExact((m + tile - 1) / tile),
            (int) batch.count(),
            THREADS,
            0);
    long function = context.modules().function(FILE, name);
    return new LaunchKernel(context, name, new Launch(function, grid, parameters));
  }

  private static long blocks(long m, long n, long tile) {
    return (m + tile - 1) / tile * ((n + tile - 1) / tile);
  }
}
