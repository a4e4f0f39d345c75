package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Window;
import org.jspecify.annotations.Nullable;

/** Pooling and its gradient by {@code pool.cu}. */
final class PoolKernels {
  private static final int THREADS = 128;

  /** Elements that a thread makes. */
  private static final int EACH = 4;

  private final GpuContext context;
  private final Pool2d pool;
  private final Shape images;
  private final Shape output;

  private PoolKernels(GpuContext context, Pool2d pool, Shape images, Shape output) {
    this.context = context;
    this.pool = pool;
    this.images = images;
    this.output = output;
  }

  static @Nullable Kernel forward(GpuContext context, KernelKey key) {
    return covers(key)
        ? new PoolKernels(context, (Pool2d) key.op(), key.shape(0), key.shape(1)).forward()
        : null;
  }

  static @Nullable Kernel grad(GpuContext context, KernelKey key) {
    return covers(key)
        ? new PoolKernels(context, ((Pool2dGrad) key.op()).pool(), key.shape(0), key.shape(1))
            .grad()
        : null;
  }

  private static boolean covers(KernelKey key) {
    boolean small = true;
    for (int i = 0; i < key.operands(); i++) {
      small &= key.shape(i).size() < 1 << 30;
    }
    return key.all(DType.F32) && key.isContiguous() && small;
  }

  private Kernel forward() {
    String name = pool.name() + "_f32";
    return new LaunchKernel(
        context, name, launch(name, output, new Parameters().operand(1).operand(0)));
  }

  private Kernel grad() {
    String name = pool.name() + "_grad_f32";
    Parameters parameters = new Parameters().operand(2).operand(1);
    if (pool.fn() == Pool2d.Fn.AVG) {
      return new LaunchKernel(context, name, launch(name, images, parameters));
    }
    return new LaunchKernel(
        context,
        name,
        4 * output.size(),
        launch("pool2d_winners_f32", output, new Parameters().operand(3).operand(0)),
        launch(name, images, parameters.operand(3)));
  }

  /** A launch that makes the elements of {@code made}. */
  private Launch launch(String name, Shape made, Parameters parameters) {
    Window window = pool.window();
    parameters.struct(
        made.size(),
        images.dim(2),
        images.dim(3),
        output.dim(2),
        output.dim(3),
        window.kernelH(),
        window.kernelW(),
        window.strideH(),
        window.strideW(),
        window.padTop(),
        window.padLeft(),
        window.dilationH(),
        window.dilationW(),
        pool.countPadding() ? 1 : 0);
    Grid grid = Grid.covering((made.size() + EACH - 1) / EACH, THREADS);
    return Launch.of(context, "pool", name, grid, parameters);
  }
}
