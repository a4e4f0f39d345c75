package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.BlockMatMul;
import org.jspecify.annotations.Nullable;

/**
 * Products with weights of few bits by {@code matmul_blocks}: weights stay packed in memory. Few
 * rows are multiplied in one pass over them; for more they become floats, in memory for the time of
 * the call, for {@link MatMulKernels}.
 */
public final class BlockProductKernels {
  private static final String FILE = "matmul_blocks";

  /** The most rows that are multiplied by packed weights, so many at a time. */
  private static final long PACKED_ROWS = 16;

  private static final long ROWS = 4;

  private static final long COLUMNS = 4;

  /** Elements that a thread multiplies at a time, and the most warps of a block. */
  private static final long RUN = 16;

  private static final long WARPS = 8;

  private static final int THREADS = 256;

  private final GpuContext context;
  private final KernelKey key;
  private final int bits;
  private final long block;
  private final long m;
  private final long n;
  private final long k;

  private BlockProductKernels(GpuContext context, KernelKey key, BlockMatMul op) {
    this.context = context;
    this.key = key;
    this.bits = op.bits();
    this.block = op.block();
    this.n = key.output().shape().dim(-1);
    this.m = key.output().shape().size() / n;
    this.k = key.shape(0).dim(-1);
  }

  /** The kernel for products of F32 that are contiguous and not empty; null for others. */
  public static @Nullable Kernel create(GpuContext context, KernelKey key) {
    boolean fits =
        key.op() instanceof BlockMatMul
            && key.dtype(0) == DType.F32
            && key.isContiguous()
            && key.output().shape().size() > 0
            && key.shape(0).size() > 0
            && key.output().shape().size() < 1L << 31
            && key.shape(1).size() < 1L << 31;
    return fits ? new BlockProductKernels(context, key, (BlockMatMul) key.op()).kernel() : null;
  }

  private Kernel kernel() {
    if (m > PACKED_ROWS) {
      long quads = Math.ceilDiv(k, 4) * n;
      Parameters parameters = weights(new Parameters().operand(output() + 1));
      Grid grid = Grid.covering(quads, THREADS);
      Launch unpack = Launch.of(context, FILE, "unpack_blocks_" + bits, grid, parameters);
      return MatMulKernels.withMade(context, m, n, k, output(), unpack);
    }
    String name = "matmul_blocks_" + bits + (m == 1 ? "_row" : "_rows");
    long rows = m == 1 ? 1 : ROWS;
    int warps = (int) Math.clamp(Math.ceilDiv(k, 32 * RUN), 1, WARPS);
    Grid grid =
        new Grid((int) Math.ceilDiv(n, COLUMNS), (int) Math.ceilDiv(m, rows), 1, 32 * warps, 0);
    Parameters parameters = weights(new Parameters().operand(output()).operand(0));
    return new LaunchKernel(context, name, Launch.of(context, FILE, name, grid, parameters));
  }

  private int output() {
    return key.inputs();
  }

  private Parameters weights(Parameters parameters) {
    parameters.operand(1).operand(2);
    boolean hasZeros = key.inputs() == 4;
    if (hasZeros) {
      parameters.operand(3);
    } else {
      parameters.address(0);
    }
    long blocks = Math.ceilDiv(k, block);
    return parameters.struct(m, n, k, block, blocks, hasZeros ? key.shape(3).dim(-1) : 0);
  }
}
