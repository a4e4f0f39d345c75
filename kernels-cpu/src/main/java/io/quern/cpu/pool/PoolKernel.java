package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Pool2d of contiguous floats, plane by plane. */
public final class PoolKernel implements Kernel {
  private static final Halving HALVING = Halving.chosen();

  private final PoolShape shape;
  private final boolean max;
  private final boolean halving;
  private final Workers.Task<Operands> task = this::planes;

  private PoolKernel(PoolShape shape) {
    this.shape = shape;
    this.max = shape.pool().fn() == Pool2d.Fn.MAX;
    this.halving = max && shape.isHalving();
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
    for (int plane = first; plane < end; plane++) {
      long from = operands.address(0) + 4L * plane * shape.h() * shape.w();
      long to = operands.address(1) + 4L * plane * shape.oh() * shape.ow();
      if (halving) {
        HALVING.max(from, 4L * shape.w(), shape.oh(), shape.ow(), to);
      } else {
        pool(from, to);
      }
    }
  }

  private void pool(long from, long to) {
    for (int oy = 0; oy < shape.oh(); oy++) {
      for (int ox = 0; ox < shape.ow(); ox++) {
        Raw.putFloat(to, max ? max(from, oy, ox) : average(from, oy, ox));
        to += 4;
      }
    }
  }

  private float max(long from, int oy, int ox) {
    Window window = shape.pool().window();
    float max = Float.NEGATIVE_INFINITY;
    for (int y = shape.firstRow(oy); y < shape.endRow(oy); y += window.dilationH()) {
      for (int x = shape.firstColumn(ox); x < shape.endColumn(ox); x += window.dilationW()) {
        max = Math.max(max, Raw.getFloat(from + 4L * (y * shape.w() + x)));
      }
    }
    return max;
  }

  private float average(long from, int oy, int ox) {
    Window window = shape.pool().window();
    float sum = 0;
    int rows = 0;
    int elements = 0;
    for (int y = shape.firstRow(oy); y < shape.endRow(oy); y += window.dilationH()) {
      rows++;
      for (int x = shape.firstColumn(ox); x < shape.endColumn(ox); x += window.dilationW()) {
        sum += Raw.getFloat(from + 4L * (y * shape.w() + x));
        elements++;
      }
    }
    return sum / shape.divisor(rows, elements / rows);
  }

  @Override
  public String name() {
    return (max ? "max" : "avg") + "_pool2d_f32";
  }
}
