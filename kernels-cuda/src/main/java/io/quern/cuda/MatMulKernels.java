package io.quern.cuda;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Products of matrices: F32 on the ordinary units by {@code matmul.cu}, 16-bit floats on the tensor
 * cores by {@code matmul_hopper.cu} where there are such.
 */
final class MatMulKernels {
  private static final int THREADS = 256;

  /** The most blocks in the last dimension of a grid. */
  private static final int BATCH = 65535;

  /** Least length of a part of a sum, and how many parts all results may have. */
  private static final int PART = 128;

  private static final int PARTS = 256;

  /**
   * Of {@code matmul_hopper.cu}: rows, columns and depth of its tile, and bytes that a block has.
   */
  private static final int ROWS = 128;

  private static final int COLUMNS = 256;
  private static final int DEPTH = 64;
  private static final int SHARED = 4 * 2 * DEPTH * (ROWS + COLUMNS) + 4 * 8192 + 1024;

  /** Blocks that work on tiles below each other. */
  private static final int CLUSTER = 2;

  private final CudaContext context;
  private final DType dtype;
  private final long m;
  private final long n;
  private final long k;
  private final Walk batch;

  /** Parts of the sum, which follow from the shape alone, and their length. */
  private final long parts;

  private final long partLength;

  /** Elements between neighbours of a and b, along rows and along columns. */
  private final long aRow;

  private final long aColumn;
  private final long bRow;
  private final long bColumn;

  private MatMulKernels(CudaContext context, KernelKey key, Walk walk) {
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    this.context = context;
    this.dtype = key.dtype(0);
    this.k = a.shape().dim(-1);
    this.n = b.shape().dim(-1);
    this.aRow = a.stride(-2);
    this.aColumn = a.stride(-1);
    this.bRow = b.stride(-2);
    this.bColumn = b.stride(-1);
    long rows = a.shape().dim(-2);
    // Matrices below each other, all times one b, are one matrix.
    boolean isOne = walk.rank() == 1 && walk.stride(1, 0) == 0 && walk.stride(0, 0) == rows * aRow;
    this.m = isOne ? walk.count() * rows : rows;
    this.batch = isOne ? Walk.over(List.of(scalar(), scalar())).orElseThrow() : walk;
    long tiles = Math.max(1, blocks(m, 64) * blocks(n, 64) * batch.count());
    long wanted = dtype == DType.F32 ? Math.min(k / PART, PARTS / tiles) : 1;
    this.partLength = Math.max(1, blocks(blocks(k, Math.max(1, wanted)), 32) * 32);
    this.parts = Math.max(1, blocks(k, partLength));
  }

  private static Layout scalar() {
    return Layout.contiguous(Shape.of());
  }

  static @Nullable Kernel create(CudaContext context, KernelKey key) {
    Shape output = key.output().shape();
    Shape leading = output.slice(0, output.rank() - 2);
    boolean covered = key.all(DType.F32) || key.all(DType.BF16) || key.all(DType.F16);
    boolean fits =
        output.dim(-2) < 1 << 30 && output.dim(-1) < 1 << 30 && key.shape(0).dim(-1) < 1 << 30;
    if (!covered || !fits || leading.size() > BATCH) {
      return null;
    }
    Optional<Walk> walk =
        Walk.over(List.of(firsts(key.layout(0), leading), firsts(key.layout(1), leading)));
    return walk.map(found -> new MatMulKernels(context, key, found).kernel()).orElse(null);
  }

  /** The first elements of the matrices. */
  private static Layout firsts(Layout matrices, Shape leading) {
    int rank = matrices.rank();
    Layout first = matrices.slice(rank - 2, 0, 1, 1).slice(rank - 1, 0, 1, 1);
    return first.expand(leading.concat(Shape.of(1, 1)));
  }

  private Kernel kernel() {
    if (dtype == DType.F32) {
      return ordinary(tile(), "f32");
    }
    String type = dtype == DType.BF16 ? "bf16" : "f16";
    Kernel ordinary = ordinary(32, type);
    return suitsTensorCores() ? new AlignedKernel(tensorCores(type), ordinary) : ordinary;
  }

  /** The largest tile with which every multiprocessor has work; results do not depend on it. */
  private int tile() {
    for (int tile = 128; tile > 32; tile /= 2) {
      if (blocks(m, tile) * blocks(n, tile) * batch.count() * parts >= context.multiprocessors()) {
        return tile;
      }
    }
    return 32;
  }

  private Kernel ordinary(int tile, String type) {
    String name = "matmul_" + tile + "_" + type;
    Parameters parameters =
        new Parameters()
            .operand(parts == 1 ? 2 : 3)
            .operand(0)
            .operand(1)
            .struct(m, n, k, aRow, aColumn, bRow, bColumn, parts, partLength)
            .struct(batch.words());
    int matrices = (int) (batch.count() * parts);
    Grid grid = new Grid((int) blocks(n, tile), (int) blocks(m, tile), matrices, THREADS, 0);
    Launch product = Launch.of(context, "matmul", name, grid, parameters);
    if (parts == 1) {
      return new LaunchKernel(context, name, product);
    }
    long count = batch.count() * m * n;
    Parameters sum =
        new Parameters().operand(2).operand(3).number(m * n).number(parts).number(count);
    Launch parted =
        Launch.of(context, "matmul", "matmul_parts_f32", Grid.covering(count, THREADS), sum);
    return new LaunchKernel(context, name + "_parts", 4 * parts * count, product, parted);
  }

  private static long blocks(long size, long tile) {
    return (size + tile - 1) / tile;
  }

  // ---- tensor cores -------------------------------------------------------------------------

  private boolean suitsTensorCores() {
    return context.gpu().capability() == 90
        && m >= DEPTH
        && n >= DEPTH
        && n % 8 == 0
        && k >= DEPTH
        && batch.rank() == 1
        && batch.stride(0, 0) % 8 == 0
        && batch.stride(1, 0) % 8 == 0
        && isMap(aRow, aColumn)
        && isMap(bRow, bColumn);
  }

  /** Whether neighbours follow each other one way, and lines are multiples of 16 bytes apart. */
  private static boolean isMap(long row, long column) {
    return (column == 1 && row > 0 && row % 8 == 0) || (row == 1 && column > 0 && column % 8 == 0);
  }

  private Kernel tensorCores(String type) {
    boolean aTurned = aColumn != 1;
    boolean bTurned = bColumn != 1;
    String name = "matmul_" + (aTurned ? "t" : "n") + (bTurned ? "t" : "n") + "_" + type;
    long aMatrix = batch.stride(0, 0);
    long bMatrix = batch.stride(1, 0);
    TileMap a = aTurned ? map(0, m, k, aColumn, aMatrix, DEPTH) : map(0, k, m, aRow, aMatrix, ROWS);
    TileMap b =
        bTurned
            ? map(1, k, n, bColumn, bMatrix, COLUMNS / CLUSTER)
            : map(1, n, k, bRow, bMatrix, DEPTH);
    TileMap c = map(2, n, m, n, m * n, DEPTH);
    Parameters parameters =
        new Parameters()
            .tileMap(c)
            .tileMap(a)
            .tileMap(b)
            .struct(m, n, k, batch.count(), aMatrix == 0 ? 0 : 1, bMatrix == 0 ? 0 : 1);
    long pairs = blocks(m, CLUSTER * ROWS) * blocks(n, COLUMNS) * batch.count();
    int clusters = (int) Math.min(pairs, context.multiprocessors() / CLUSTER);
    long function = context.modules().function("matmul_hopper", name);
    context.gpu().reserveShared(function, SHARED);
    Grid grid = new Grid(CLUSTER * clusters, 1, 1, 384, SHARED);
    Launch launch = new Launch(function, grid, parameters);
    return new LaunchKernel(context, name, launch);
  }

  private TileMap map(int operand, long inner, long rows, long stride, long matrix, int tileRows) {
    boolean same = matrix == 0;
    return new TileMap(
        0,
        operand,
        dtype == DType.BF16,
        inner,
        rows,
        same ? 1 : batch.count(),
        2 * stride,
        2 * (same ? stride * rows : matrix),
        DEPTH,
        tileRows);
  }
}
