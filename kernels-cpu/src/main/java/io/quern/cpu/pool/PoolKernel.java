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
  private final PlanePool pool;
  private final Workers.Task<Operands> task = this::planes;

  private PoolKernel(DType dtype, PoolShape shape) {
    this.dtype = dtype;
    this.shape = shape;
    this.pool = choose(dtype, shape);
  }

  private static PlanePool choose(DType dtype, PoolShape shape) {
    if (shape.isMaxOfHalves()) {
      return new HalvingPool(dtype, shape, Halving.twins(dtype));
    }
    if (shape.isWhole()) {
      return new WholePool(shape);
    }
    return NinePool.covers(shape) ? new NinePool(shape) : new PoolBands(shape);
  }

  /** Maxima of windows of 2x2. */
  private record HalvingPool(DType dtype, PoolShape shape, Twins<Halving> halving)
      implements PlanePool {
    @Override
    public void plane(long from, long to, long scratch) {
      halving.get().max(from, (long) dtype.bytes() * shape.w(), shape.oh(), shape.ow(), to);
    }

    @Override
    public boolean warmUp() {
      return halving.await();
    }
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
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(pool.scratchBytes())) {
      pool.prepare(scratch.address());
      long bytes = dtype.bytes();
      long fromPlane = bytes * shape.h() * shape.w();
      long toPlane = bytes * shape.oh() * shape.ow();
      long from = operands.address(0) + first * fromPlane;
      long to = operands.address(1) + first * toPlane;
      pool.planes(from, fromPlane, end - first, to, toPlane, scratch.address());
    }
  }

  @Override
  public boolean warmUp() {
    return pool.warmUp();
  }

  @Override
  public String name() {
    String fn = shape.pool().fn().name().toLowerCase(Locale.ROOT);
    return fn + "_pool2d_" + dtype.name().toLowerCase(Locale.ROOT);
  }
}
