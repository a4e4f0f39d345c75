package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Products of matrices of bytes by {@code matmul_bytes}. Sums of integers have the same bits in
 * every order, so that the device may determine it.
 */
public final class ByteProductKernels {
  private static final String FILE = "matmul_bytes";
  private static final int TILE_THREADS = 128;
  private static final int ROW_THREADS = 512;

  /** Threads for neighbouring columns of a product of one row, where there are many or few. */
  private static final int MANY_LANES = 8;

  private static final int FEW_LANES = 2;

  /** Columns of a product of one row whose matrix lies in columns, for a block of eight warps. */
  private static final int WARPS = 8;

  /** The least length of a part of a sum; parts are multiples of the depth of tiles. */
  private static final long PART = 512;

  private static final long DEPTH = 128;

  private final GpuContext context;
  private final KernelKey key;
  private final Products products;
  private final long zeroRow;
  private final long zeroColumn;

  private ByteProductKernels(
      GpuContext context, KernelKey key, Products products, long zeroRow, long zeroColumn) {
    this.context = context;
    this.key = key;
    this.products = products;
    this.zeroRow = zeroRow;
    this.zeroColumn = zeroColumn;
  }

  /** The kernel for zero points of matrices, rows of the first and columns of the second. */
  public static @Nullable Kernel create(GpuContext context, KernelKey key) {
    Shape output = key.output().shape();
    Shape leading = output.slice(0, output.rank() - 2);
    Layout a = key.layout(0);
    Layout b = key.layout(2);
    Layout zeroA = key.layout(1).expand(a.shape());
    Layout zeroB = key.layout(3).expand(b.shape());
    long k = a.shape().dim(-1);
    boolean fits =
        output.dim(-2) < 1 << 22
            && output.dim(-1) < 1 << 30
            && k < 1 << 30
            && leading.size() <= Products.BATCH
            && (k <= 1 || (zeroA.stride(-1) == 0 && zeroB.stride(-2) == 0));
    return fits
        ? Walk.over(
                List.of(
                    Products.firsts(a, leading),
                    Products.firsts(b, leading),
                    Products.firsts(zeroA, leading),
                    Products.firsts(zeroB, leading)))
            .map(batch -> new ByteProductKernels(context, key, batch, a, b, zeroA, zeroB))
            .map(ByteProductKernels::kernel)
            .orElse(null)
        : null;
  }

  private ByteProductKernels(
      GpuContext context,
      KernelKey key,
      Walk batch,
      Layout a,
      Layout b,
      Layout zeroA,
      Layout zeroB) {
    this(
        context,
        key,
        new Products(
            a.shape().dim(-2),
            b.shape().dim(-1),
            a.shape().dim(-1),
            batch,
            a.stride(-2),
            a.stride(-1),
            b.stride(-2),
            b.stride(-1)),
        zeroA.stride(-2),
        zeroB.stride(-1));
  }

  private Kernel kernel() {
    Kernel tiled = tiled(64, "matmul_any_bytes");
    if (isWide(0, products.m(), products.aRow(), products.aColumn())
        && isWide(1, products.n(), products.bColumn(), products.bRow())) {
      int tile = tiles(128) >= processors() ? 128 : 64;
      tiled = new AlignedKernel(tiled(tile, "matmul_" + tile + "_bytes"), tiled);
    }
    if (products.m() != 1 || products.count() == 0 || products.k() == 0) {
      return tiled;
    }
    long n = products.n();
    if (products.bColumn() == 1 && n % 16 == 0 && isWide(1, products.bRow())) {
      int lanes = blocks(n, 16 * MANY_LANES) >= processors() ? MANY_LANES : FEW_LANES;
      return new AlignedKernel(
          row("matmul_row_" + lanes + "_bytes", 16 * lanes, ROW_THREADS), tiled);
    }
    boolean along =
        products.bRow() == 1
            && products.aColumn() == 1
            && products.k() % 16 == 0
            && isWide(0, 0)
            && isWide(1, products.bColumn());
    return along
        ? new AlignedKernel(row("matmul_row_along_bytes", WARPS, 32 * WARPS), tiled)
        : tiled;
  }

  /** Whether lines and matrices of an operand are multiples of 16 bytes apart. */
  private boolean isWide(int operand, long line) {
    return isApart(operand, line, 16);
  }

  private boolean isApart(int operand, long line, int bytes) {
    boolean wide = line % bytes == 0;
    for (int d = 0; d < products.batch().rank(); d++) {
      wide &= products.batch().stride(operand, d) % bytes == 0;
    }
    return wide;
  }

  /** Whether 16 neighbouring steps of a sum, or four lines, can be loaded at once. */
  private boolean isWide(int operand, long lines, long line, long step) {
    boolean along = step == 1 && products.k() % 16 == 0 && isWide(operand, line);
    return along || (line == 1 && step != 1 && lines % 4 == 0 && isApart(operand, step, 4));
  }

  private static long blocks(long size, long tile) {
    return Math.ceilDiv(size, tile);
  }

  private int processors() {
    return context.gpu().multiprocessors();
  }

  private Kernel row(String name, int columns, int threads) {
    int blocks = (int) blocks(products.n(), columns);
    Grid grid = new Grid(blocks, (int) products.batch().count(), 1, threads, 0);
    return new LaunchKernel(
        context, name, Launch.of(context, FILE, name, grid, parameters(4, 1, products.k())));
  }

  private long tiles(int tile) {
    return blocks(products.m(), tile) * blocks(products.n(), tile) * products.batch().count();
  }

  private Kernel tiled(int tile, String name) {
    long wanted =
        Math.clamp(
            2L * processors() / Math.max(1, tiles(tile)),
            1,
            Math.max(1, blocks(products.k(), PART)));
    long length = Math.max(1, blocks(blocks(products.k(), wanted), DEPTH)) * DEPTH;
    long parts = Math.max(1, blocks(products.k(), length));
    Grid grid =
        new Grid(
            (int) blocks(products.n(), tile),
            (int) blocks(products.m(), tile),
            Math.toIntExact(products.batch().count() * parts),
            TILE_THREADS,
            0);
    Launch product =
        Launch.of(context, FILE, name, grid, parameters(parts == 1 ? 4 : 5, parts, length));
    if (parts == 1) {
      return new LaunchKernel(context, name, product);
    }
    long count = products.count();
    Parameters sum =
        new Parameters()
            .operand(4)
            .operand(5)
            .number(products.m() * products.n())
            .number(parts)
            .number(count)
            .number(floats());
    Launch parted = Launch.of(context, FILE, "matmul_parts_bytes", Grid.covering(count, 256), sum);
    return new LaunchKernel(context, name + "_parts", 4 * parts * count, product, parted);
  }

  private long floats() {
    return key.dtype(4) == DType.F32 ? 1 : 0;
  }

  private long flip(int operand) {
    return key.dtype(operand) == DType.U8 ? 0x80 : 0;
  }

  private Parameters parameters(int to, long parts, long length) {
    return new Parameters()
        .operand(to)
        .operand(0)
        .operand(1)
        .operand(2)
        .operand(3)
        .struct(
            products.m(),
            products.n(),
            products.k(),
            products.aRow(),
            products.aColumn(),
            products.bRow(),
            products.bColumn(),
            parts,
            length)
        .struct(zeroRow, zeroColumn, flip(0), flip(2), to == 4 ? floats() : 0)
        .struct(products.batch().words());
  }
}
