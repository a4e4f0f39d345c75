package io.quern.cuda;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.gpu.AlignedKernel;
import io.quern.gpu.GpuContext;
import io.quern.gpu.Grid;
import io.quern.gpu.Launch;
import io.quern.gpu.LaunchKernel;
import io.quern.gpu.MatMulKernels;
import io.quern.gpu.Parameters;
import io.quern.gpu.Products;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Products of matrices of 16-bit floats on the tensor cores of compute capability 9.0, by {@code
 * matmul_hopper.cu}.
 */
final class TensorCores {
  private static final String FILE = "matmul_hopper";
  private static final int CAPABILITY = 90;

  /** Rows, columns and depth of a tile, and bytes that a block has. */
  private static final int ROWS = 128;

  private static final int COLUMNS = 256;
  private static final int DEPTH = 64;
  private static final int SHARED = 4 * 2 * DEPTH * (ROWS + COLUMNS) + 4 * 8192 + 1024;
  private static final int THREADS = 384;

  /** Blocks that work on tiles below each other. */
  private static final int CLUSTER = 2;

  private final GpuContext context;
  private final JCudaGpu gpu;
  private final Products products;
  private final boolean bf16;

  private TensorCores(GpuContext context, JCudaGpu gpu, Products products, boolean bf16) {
    this.context = context;
    this.gpu = gpu;
    this.products = products;
    this.bf16 = bf16;
  }

  static @Nullable Kernel create(GpuContext context, JCudaGpu gpu, KernelKey key) {
    boolean covered = key.all(DType.BF16) || key.all(DType.F16);
    Optional<Products> products =
        covered && gpu.capability() == CAPABILITY
            ? Products.of(key).filter(TensorCores::cover)
            : Optional.empty();
    Kernel otherwise = products.isPresent() ? MatMulKernels.create(context, key) : null;
    return otherwise == null
        ? null
        : new AlignedKernel(
            new TensorCores(context, gpu, products.orElseThrow(), key.all(DType.BF16)).kernel(),
            otherwise);
  }

  private static boolean cover(Products of) {
    return of.m() >= DEPTH
        && of.n() >= DEPTH
        && of.n() % 8 == 0
        && of.k() >= DEPTH
        && of.batch().rank() == 1
        && of.batch().stride(0, 0) % 8 == 0
        && of.batch().stride(1, 0) % 8 == 0
        && isMap(of.aRow(), of.aColumn())
        && isMap(of.bRow(), of.bColumn());
  }

  /** Whether neighbours follow each other one way, and lines are multiples of 16 bytes apart. */
  private static boolean isMap(long row, long column) {
    return (column == 1 && row > 0 && row % 8 == 0) || (row == 1 && column > 0 && column % 8 == 0);
  }

  private Kernel kernel() {
    long m = products.m();
    long n = products.n();
    long k = products.k();
    long batch = products.batch().count();
    boolean aTurned = products.aColumn() != 1;
    boolean bTurned = products.bColumn() != 1;
    long aMatrix = products.batch().stride(0, 0);
    long bMatrix = products.batch().stride(1, 0);
    Parameters parameters = new Parameters();
    add(parameters, 2, map(n, m, n, m * n, DEPTH));
    add(
        parameters,
        0,
        aTurned
            ? map(m, k, products.aColumn(), aMatrix, DEPTH)
            : map(k, m, products.aRow(), aMatrix, ROWS));
    add(
        parameters,
        1,
        bTurned
            ? map(k, n, products.bColumn(), bMatrix, COLUMNS / CLUSTER)
            : map(n, k, products.bRow(), bMatrix, DEPTH));
    parameters.struct(m, n, k, batch, aMatrix == 0 ? 0 : 1, bMatrix == 0 ? 0 : 1);
    long pairs = Math.ceilDiv(m, CLUSTER * ROWS) * Math.ceilDiv(n, COLUMNS) * batch;
    int clusters = (int) Math.min(pairs, gpu.multiprocessors() / CLUSTER);
    String name =
        "matmul_" + (aTurned ? "t" : "n") + (bTurned ? "t" : "n") + (bf16 ? "_bf16" : "_f16");
    Grid grid = new Grid(CLUSTER * clusters, 1, 1, THREADS, SHARED);
    return new LaunchKernel(context, name, Launch.of(context, FILE, name, grid, parameters));
  }

  private void add(Parameters parameters, int operand, TileMap map) {
    parameters.late(operand, TileMap.WORDS, (matrices, to) -> gpu.encode(map, matrices, to));
  }

  private TileMap map(long inner, long rows, long stride, long matrix, int tileRows) {
    boolean same = matrix == 0;
    return new TileMap(
        bf16,
        inner,
        rows,
        same ? 1 : products.batch().count(),
        1,
        2 * stride,
        2 * (same ? stride * rows : matrix),
        2 * stride * rows,
        DEPTH,
        tileRows);
  }
}
