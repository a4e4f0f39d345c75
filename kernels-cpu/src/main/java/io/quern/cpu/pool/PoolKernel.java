package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.elementwise.Loop;
import io.quern.cpu.elementwise.Loops;
import io.quern.op.Binary;
import io.quern.op.Pool2d;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Pool2d of contiguous floats, plane by plane. */
public final class PoolKernel implements Kernel {
  private static final Halving HALVING = Halving.chosen();

  private final PoolShape shape;
  private final boolean max;
  private final boolean halving;
  private final Twins<Loop> fold;
  private final Workers.Task<Operands> task = this::planes;

  private PoolKernel(PoolShape shape) {
    this.shape = shape;
    this.max = shape.pool().fn() == Pool2d.Fn.MAX;
    this.halving = max && shape.isHalving();
    this.fold = Loops.binary(max ? Binary.Fn.MAX : Binary.Fn.ADD);
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
    HostMemory.Block scratch = HostMemory.shared().allocate(4L * shape.w());
    int first = chunk * shape.planesPerChunk();
    int end = Math.min(shape.planes(), first + shape.planesPerChunk());
    for (int plane = first; plane < end; plane++) {
      long from = operands.address(0) + 4L * plane * shape.h() * shape.w();
      long to = operands.address(1) + 4L * plane * shape.oh() * shape.ow();
      if (halving) {
        HALVING.max(from, 4L * shape.w(), shape.oh(), shape.ow(), to);
      } else {
        pool(from, to, scratch.address());
      }
    }
    HostMemory.shared().free(scratch);
  }

  /** The rows of a window are folded over their whole length, then the columns of each window. */
  private void pool(long from, long to, long scratch) {
    Loop loop = fold.get();
    int step = shape.pool().window().dilationH();
    int width = shape.w();
    for (int oy = 0; oy < shape.oh(); oy++) {
      int end = shape.endRow(oy);
      int y = shape.firstRow(oy);
      int rows = 1;
      long row = from + 4L * y * width;
      for (y += step; y < end; y += step) {
        loop.run(row, from + 4L * y * width, 0, scratch, width);
        row = scratch;
        rows++;
      }
      for (int ox = 0; ox < shape.ow(); ox++) {
        Raw.putFloat(to, max ? max(row, ox) : average(row, rows, ox));
        to += 4;
      }
    }
  }

  private float max(long row, int ox) {
    int step = shape.pool().window().dilationW();
    int end = shape.endColumn(ox);
    float max = Float.NEGATIVE_INFINITY;
    for (int x = shape.firstColumn(ox); x < end; x += step) {
      max = Math.max(max, Raw.getFloat(row + 4L * x));
    }
    return max;
  }

  private float average(long row, int rows, int ox) {
    int step = shape.pool().window().dilationW();
    int end = shape.endColumn(ox);
    float sum = 0;
    int columns = 0;
    for (int x = shape.firstColumn(ox); x < end; x += step) {
      sum += Raw.getFloat(row + 4L * x);
      columns++;
    }
    return sum / shape.divisor(rows, columns);
  }

  @Override
  public boolean warmUp() {
    return fold.await();
  }

  @Override
  public String name() {
    return (max ? "max" : "avg") + "_pool2d_f32";
  }
}
