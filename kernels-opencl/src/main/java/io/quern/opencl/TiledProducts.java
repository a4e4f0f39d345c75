package io.quern.opencl;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.gpu.GpuContext;
import io.quern.gpu.Grid;
import io.quern.gpu.Launch;
import io.quern.gpu.LaunchKernel;
import io.quern.gpu.Parameters;
import io.quern.gpu.Products;
import org.jspecify.annotations.Nullable;

/** Products of F32 matrices in the tiles that suit the device, by {@code matmul_tile.cl}. */
final class TiledProducts {
  /** The least results for each multiprocessor for which large tiles pay. */
  private static final long LEAST = 4096;

  private TiledProducts() {}

  /** The kernel with the device's tile; null where other kernels have more threads. */
  static @Nullable Kernel create(GpuContext context, OpenClGpu gpu, Tuning tuning, KernelKey key) {
    if (!key.all(DType.F32)) {
      return null;
    }
    return Products.of(key)
        .filter(of -> gpu.isCpu() || of.count() >= LEAST * gpu.multiprocessors())
        .map(of -> create(context, of, tuning.tile(context)))
        .orElse(null);
  }

  static Kernel create(GpuContext context, Products of, Tile tile) {
    Parameters parameters =
        new Parameters()
            .operand(2)
            .operand(0)
            .operand(1)
            .struct(of.m(), of.n(), of.k(), of.aRow(), of.aColumn(), of.bRow(), of.bColumn())
            .struct(of.batch().words());
    Grid grid =
        new Grid(
            (int) Math.ceilDiv(of.m(), tile.rows()),
            (int) Math.ceilDiv(of.n(), tile.columns()),
            (int) of.batch().count(),
            tile.threads(),
            0);
    String text = tile.constants() + OpenClGpu.resource("matmul_tile.cl");
    String name = "matmul_" + tile.rows() + "x" + tile.columns() + "_f32";
    return new LaunchKernel(
        context, name, Launch.generated(context, text, "matmul_tile_f32", grid, parameters));
  }
}
