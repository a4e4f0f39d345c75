package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.op.Pool2d;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Pool2d of contiguous floats, plane by plane. */
public final class PoolKernel implements Kernel {
  private static final Twins<Halving> HALVING = Halving.twins();

  private final PoolShape shape;
  private final boolean max;

  /** Null for windows of 2x2 side by side. */
  private final @Nullable PoolBands bands;

  private final Workers.Task<Operands> task = this::planes;

  private PoolKernel(PoolShape shape) {
    this.shape = shape;
    this.max = shape.pool().fn() == Pool2d.Fn.MAX;
    this.bands = max && shape.isHalving() ? null : new PoolBands(shape, max);
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32 of moderate size. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && key.isContiguous()
            && key.op() instanceof Pool2d pool
            && PoolShape.fits(pool, key.shape(0))
        ? new PoolKernel(PoolShape.of(pool, key.shape(0), key.output().shape()))
        : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, shape.chunks());
  }

  private void planes(Operands operands, int chunk) {
    int first = chunk * shape.planesPerChunk();
    int end = Math.min(shape.planes(), first + shape.planesPerChunk());
    MemoryPool.Block scratch =
        HostMemory.shared().allocate(bands == null ? 0 : bands.scratchBytes());
    if (bands != null) {
      bands.prepare(scratch.address());
    }
    for (int plane = first; plane < end; plane++) {
      long from = operands.address(0) + 4L * plane * shape.h() * shape.w();
      long to = operands.address(1) + 4L * plane * shape.oh() * shape.ow();
      if (bands == null) {
        HALVING.get().max(from, 4L * shape.w(), shape.oh(), shape.ow(), to);
      } else {
        bands.pool(from, to, scratch.address());
      }
    }
    HostMemory.shared().free(scratch);
  }

  @Override
  public boolean warmUp() {
    return bands == null ? HALVING.await() : bands.warmUp();
  }

  @Override
  public String name() {
    return (max ? "max" : "avg") + "_pool2d_f32";
  }
}
