package io.quern.cpu.gemm;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.op.BlockMatMul;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * BlockMatMul of floats, in one pass over the packed weights for up to {@value
 * BlockProducts#MOST_ROWS} rows. A row has the same bits alone and among others. Immutable and
 * thread-safe.
 */
public final class BlockMatMulKernel implements Kernel {
  /** Weights that make up a chunk of work. */
  private static final long CHUNK = 1 << 17;

  private static final int GROUP = BlockProducts.MOST_ROWS;

  // What a call keeps for its tasks, behind what zero points take.
  private static final int ZEROS = 2;
  private static final int SPREAD = 3;

  private final KernelKey key;
  private final BlockLayout layout;
  private final BlockProducts products;
  private final @Nullable ZeroPoints zeroPoints;
  private final boolean preparedBefore;
  private final long m;
  private final long n;
  private final long perChunk;
  private final Workers.Task<Operands> spreading = this::spread;
  private final Workers.Task<Operands> multiplying = this::multiply;

  private BlockMatMulKernel(KernelKey key, BlockMatMul op, boolean preparedBefore) {
    this.key = key;
    this.preparedBefore = preparedBefore;
    this.n = key.output().shape().dim(-1);
    this.m = key.output().shape().size() / n;
    this.layout = new BlockLayout(op, key.shape(0).dim(-1));
    boolean hasZeros = key.inputs() == 4;
    this.products = BlockProducts.of(layout, hasZeros, m);
    this.zeroPoints = hasZeros ? new ZeroPoints(op.bits(), n, layout.blocks()) : null;
    this.perChunk = Math.clamp(CHUNK / layout.k(), 1, n);
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    boolean fits =
        key.op() instanceof BlockMatMul
            && key.dtype(0) == DType.F32
            && key.isContiguous()
            && key.output().shape().size() > 0
            && key.shape(0).size() > 0
            && key.shape(0).dim(-1) <= Integer.MAX_VALUE / 64;
    return fits ? new BlockMatMulKernel(key, (BlockMatMul) key.op(), false) : null;
  }

  @Override
  public void run(Operands operands) {
    long ofZeros = zeroPoints == null || preparedBefore ? 0 : zeroPoints.bytes();
    long ofRows = products.spreadBytes(m);
    MemoryPool.Block memory = HostMemory.shared().allocate(ofRows + ofZeros);
    try {
      long zeros = zeroPoints == null ? 0 : operands.address(3);
      if (ofZeros > 0) {
        zeroPoints.pack(operands, zeros, memory.address() + ofRows);
        zeros = memory.address() + ofRows;
      }
      operands.keep(ZEROS, zeros);
      operands.keep(SPREAD, memory.address());
      Workers.shared().run(spreading, operands, Math.toIntExact((m + GROUP - 1) / GROUP));
      Workers.shared().run(multiplying, operands, Math.toIntExact((n + perChunk - 1) / perChunk));
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  private int rowsOf(long first) {
    return (int) Math.min(GROUP, m - first);
  }

  private void spread(Operands call, int group) {
    long first = (long) group * GROUP;
    long from = call.address(0) + 4 * first * layout.k();
    products.spread(from, rowsOf(first), call.kept(SPREAD) + products.spreadBytes(first));
  }

  /** Some rows of weights, which stay in the cache for all rows of a. */
  private void multiply(Operands call, int chunk) {
    long from = chunk * perChunk;
    long count = Math.min(perChunk, n - from);
    long weights = call.address(1) + from * layout.rowBytes();
    long ofBlocks = 4 * from * layout.blocks();
    long scales = call.address(2) + ofBlocks;
    long zeros = zeroPoints == null ? 0 : call.kept(ZEROS) + ofBlocks;
    long to = call.address(key.inputs()) + 4 * from;
    for (long first = 0; first < m; first += GROUP) {
      products.run(
          weights,
          scales,
          zeros,
          call.kept(SPREAD) + products.spreadBytes(first),
          rowsOf(first),
          count,
          to + 4 * first * n,
          4 * n);
    }
  }

  /** Constant zero points become floats once. */
  @Override
  public @Nullable Prepared prepared() {
    return zeroPoints == null || preparedBefore
        ? null
        : new Prepared(
            3,
            zeroPoints.bytes(),
            zeroPoints,
            new BlockMatMulKernel(key, (BlockMatMul) key.op(), true));
  }

  @Override
  public boolean warmUp() {
    return products.warmUp();
  }

  @Override
  public String name() {
    return "block_matmul" + (MachineTier.has512Bits() ? "_asm" : "_f32");
  }
}
