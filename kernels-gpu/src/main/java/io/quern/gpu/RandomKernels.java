package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Iota;
import io.quern.op.Random;
import org.jspecify.annotations.Nullable;

/** Tensors whose elements depend on their position, by {@code random.cu}. */
final class RandomKernels {
  private static final String FILE = "random";
  private static final int THREADS = 256;

  /** Words of a Philox block. */
  private static final int WORDS = 4;

  /** Blocks of a thread, and the threads that keep a GPU busy, which there are at least. */
  private static final int BLOCKS = 4;

  private static final long BUSY = 1 << 18;

  private RandomKernels() {}

  static @Nullable Kernel random(GpuContext context, KernelKey key) {
    if (key.dtype(1) != DType.F32 || !key.isContiguous()) {
      return null;
    }
    long count = key.shape(1).size();
    Parameters parameters = new Parameters().operand(1).operand(0).number(count);
    String name = ((Random) key.op()).name() + "_f32";
    long blocks = Math.ceilDiv(count, WORDS);
    long threads = Math.max(Math.min(blocks, BUSY), Math.ceilDiv(blocks, BLOCKS));
    return create(context, name, parameters, threads);
  }

  static @Nullable Kernel iota(GpuContext context, KernelKey key) {
    Iota op = (Iota) key.op();
    if (op.dtype() != DType.F32 && op.dtype() != DType.I64) {
      return null;
    }
    String name = op.dtype() == DType.F32 ? "iota_f32" : "iota_i64";
    Parameters parameters = new Parameters().operand(0).number(op.count());
    return create(context, name, parameters, op.count());
  }

  private static Kernel create(
      GpuContext context, String name, Parameters parameters, long threads) {
    Grid grid = Grid.covering(threads, THREADS);
    return new LaunchKernel(context, name, Launch.of(context, FILE, name, grid, parameters));
  }
}
