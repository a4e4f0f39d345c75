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
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Pool2d of contiguous floats, or of BF16 by halves, plane by plane. */
public final class PoolKernel implements Kernel {
  private final DType dtype;
  private final PoolShape shape;
  private final boolean max;

  /** One of the two is null: maxima of 2x2 are by halves. */
  private final @Nullable PoolBands bands;

  private final @Nullable Twins<Halving> halving;
  private final Workers.Task<Operands> task = this::planes;

  private PoolKernel(DType dtype, PoolShape shape) {
    this.dtype = dtype;
    this.shape = shape;
    this.max = shape.pool().fn() == Pool2d.Fn.MAX;
    this.halving = shape.isMaxOfHalves() ? Halving.twins(dtype) : null;
    this.bands = halving != null ? null : new PoolBands(shape, max);
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    DType dtype = key.dtype(0);
    if (!key.isContiguous()
        || !(key.op() instanceof Pool2d pool)
        || !PoolShape.fits(pool, key.shape(0))) {
      return null;
    }
    PoolShape shape = PoolShape.of(pool, key.shape(0), key.output().shape());
    return shape.isCovered(dtype) ? new PoolKernel(dtype, shape) : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, shape.chunks());
  }

  private void planes(Operands operands, int chunk) {
    int first = chunk * shape.planesPerChunk();
    int end = Math.min(shape.planes(), first + shape.planesPerChunk());
    long scratchBytes = bands == null ? 0 : bands.scratchBytes();
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(scratchBytes)) {
      if (bands != null) {
        bands.prepare(scratch.address());
      }
      for (int plane = first; plane < end; plane++) {
        long bytes = dtype.bytes();
        long from = operands.address(0) + bytes * plane * shape.h() * shape.w();
        long to = operands.address(1) + bytes * plane * shape.oh() * shape.ow();
        if (halving != null) {
          halving.get().max(from, bytes * shape.w(), shape.oh(), shape.ow(), to);
        } else if (bands != null) {
          bands.pool(from, to, scratch.address());
        }
      }
    }
  }

  @Override
  public boolean warmUp() {
    return halving != null ? halving.await() : bands == null || bands.warmUp();
  }

  @Override
  public String name() {
    return (max ? "max" : "avg") + "_pool2d_" + dtype.name().toLowerCase(Locale.ROOT);
  }
}
