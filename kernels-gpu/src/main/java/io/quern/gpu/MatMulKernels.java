package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import org.jspecify.annotations.Nullable;

/** Products of matrices on the ordinary arithmetic units by {@code matmul}. */
public final class MatMulKernels {
  private static final String FILE = "matmul";
  private static final int THREADS = 256;

  /** Least length of a part of a sum, and how many parts all results may have. */
  private static final int PART = 128;

  private static final int PARTS = 256;

  private final GpuContext context;
  private final Products products;

  /** Parts of the sum, which follow from the shape alone, and their length. */
  private final long parts;

  private final long partLength;

  private MatMulKernels(GpuContext context, Products products, boolean mayPart) {
    this.context = context;
    this.products = products;
    long tiles = Math.max(1, tiles(64) * products.batch().count());
    long wanted = mayPart ? Math.min(products.k() / PART, PARTS / tiles) : 1;
    this.partLength =
        Math.max(1, Math.ceilDiv(Math.ceilDiv(products.k(), Math.max(1, wanted)), 32) * 32);
    this.parts = Math.max(1, Math.ceilDiv(products.k(), partLength));
  }

  /** The kernel for products of F32, BF16 or F16; null for others. */
  public static @Nullable Kernel create(GpuContext context, KernelKey key) {
    DType dtype = key.dtype(0);
    boolean covered =
        key.all(dtype) && (dtype == DType.F32 || dtype == DType.BF16 || dtype == DType.F16);
    return covered
        ? Products.of(key)
            .map(products -> new MatMulKernels(context, products, dtype == DType.F32))
            .map(each -> each.kernel(dtype))
            .orElse(null)
        : null;
  }

  private Kernel kernel(DType dtype) {
    return switch (dtype) {
      case BF16 -> kernel("matmul_32_bf16", 32);
      case F16 -> kernel("matmul_32_f16", 32);
      default -> kernel("matmul_" + tile() + "_f32", tile());
    };
  }

  /** The largest tile with which every multiprocessor has work; results do not depend on it. */
  private int tile() {
    for (int tile = 128; tile > 32; tile /= 2) {
      if (tiles(tile) * products.batch().count() * parts >= context.gpu().multiprocessors()) {
        return tile;
      }
    }
    return 32;
  }

  private long tiles(int tile) {
    return Math.ceilDiv(products.m(), tile) * Math.ceilDiv(products.n(), tile);
  }

  private Kernel kernel(String name, int tile) {
    long m = products.m();
    long n = products.n();
    Parameters parameters =
        new Parameters()
            .operand(parts == 1 ? 2 : 3)
            .operand(0)
            .operand(1)
            .struct(
                m,
                n,
                products.k(),
                products.aRow(),
                products.aColumn(),
                products.bRow(),
                products.bColumn(),
                parts,
                partLength)
            .struct(products.batch().words());
    int matrices = (int) (products.batch().count() * parts);
    Grid grid =
        new Grid((int) Math.ceilDiv(n, tile), (int) Math.ceilDiv(m, tile), matrices, THREADS, 0);
    Launch product = Launch.of(context, FILE, name, grid, parameters);
    if (parts == 1) {
      return new LaunchKernel(context, name, product);
    }
    long count = products.count();
    Parameters sum =
        new Parameters().operand(2).operand(3).number(m * n).number(parts).number(count);
    Launch parted =
        Launch.of(context, FILE, "matmul_parts_f32", Grid.covering(count, THREADS), sum);
    return new LaunchKernel(context, name + "_parts", 4 * parts * count, product, parted);
  }
}
