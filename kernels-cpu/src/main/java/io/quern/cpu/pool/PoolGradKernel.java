package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Pool2dGrad of contiguous floats, or of BF16 by halves, plane by plane. */
public final class PoolGradKernel implements Kernel {
  private final DType dtype;
  private final PoolShape shape;
  private final boolean max;
  private final @Nullable Twins<Halving> halving;
  private final Workers.Task<Operands> task = this::planes;

  private PoolGradKernel(DType dtype, PoolShape shape) {
    this.dtype = dtype;
    this.shape = shape;
    this.max = shape.pool().fn() == Pool2d.Fn.MAX;
    this.halving = shape.isMaxOfHalves() ? Halving.twins(dtype) : null;
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    DType dtype = key.dtype(0);
    if (!key.isContiguous()
        || !(key.op() instanceof Pool2dGrad grad)
        || !PoolShape.fits(grad.pool(), key.shape(0))) {
      return null;
    }
    PoolShape shape = PoolShape.of(grad.pool(), key.shape(0), key.shape(1));
    return shape.isCovered(dtype) ? new PoolGradKernel(dtype, shape) : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, shape.chunks());
  }

  @Override
  public boolean warmUp() {
    return halving == null || halving.await();
  }

  private void planes(Operands operands, int chunk) {
    int first = chunk * shape.planesPerChunk();
    int end = Math.min(shape.planes(), first + shape.planesPerChunk());
    for (int plane = first; plane < end; plane++) {
      long bytes = dtype.bytes();
      long pixels = bytes * plane * shape.h() * shape.w();
      long gradient = operands.address(1) + bytes * plane * shape.oh() * shape.ow();
      if (halving != null) {
        halve(halving.get(), operands.address(0) + pixels, gradient, operands.address(2) + pixels);
      } else {
        pool(operands.address(0) + pixels, gradient, operands.address(2) + pixels);
      }
    }
  }

  private void halve(Halving now, long image, long gradient, long to) {
    long row = (long) dtype.bytes() * shape.w();
    if (shape.w() % 2 != 0 || shape.h() % 2 != 0) {
      Raw.zero(to, row * shape.h());
    }
    now.grad(image, row, shape.oh(), shape.ow(), gradient, to);
  }

  private void pool(long image, long gradient, long to) {
    Raw.zero(to, 4L * shape.h() * shape.w());
    for (int oy = 0; oy < shape.oh(); oy++) {
      for (int ox = 0; ox < shape.ow(); ox++) {
        float g = Raw.getFloat(gradient);
        gradient += 4;
        if (max) {
          long at = to + 4 * firstMax(image, oy, ox);
          Raw.putFloat(at, Raw.getFloat(at) + g);
        } else {
          spread(to, oy, ox, g);
        }
      }
    }
  }

  private long firstMax(long image, int oy, int ox) {
    Window window = shape.pool().window();
    long best = -1;
    float max = 0;
    for (int y = shape.firstRow(oy); y < shape.endRow(oy); y += window.dilationH()) {
      for (int x = shape.firstColumn(ox); x < shape.endColumn(ox); x += window.dilationW()) {
        long pixel = (long) y * shape.w() + x;
        float value = Raw.getFloat(image + 4 * pixel);
        if (best < 0 || value > max || (Float.isNaN(value) && !Float.isNaN(max))) {
          best = pixel;
          max = value;
        }
      }
    }
    return best;
  }

  private void spread(long to, int oy, int ox, float gradient) {
    Window window = shape.pool().window();
    int rows = (shape.endRow(oy) - shape.firstRow(oy) - 1) / window.dilationH() + 1;
    int columns = (shape.endColumn(ox) - shape.firstColumn(ox) - 1) / window.dilationW() + 1;
    float share = gradient / shape.divisor(rows, columns);
    for (int y = shape.firstRow(oy); y < shape.endRow(oy); y += window.dilationH()) {
      for (int x = shape.firstColumn(ox); x < shape.endColumn(ox); x += window.dilationW()) {
        long at = to + 4L * (y * shape.w() + x);
        Raw.putFloat(at, Raw.getFloat(at) + share);
      }
    }
  }

  @Override
  public String name() {
    return (max ? "max" : "avg") + "_pool2d_grad_" + dtype.name().toLowerCase(Locale.ROOT);
  }
}
