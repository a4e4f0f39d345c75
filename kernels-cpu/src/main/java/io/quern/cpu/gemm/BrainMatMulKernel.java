package io.quern.cpu.gemm;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.op.MatMul;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * MatMul of BF16 with one matrix B, see {@link BrainPanel}: results may differ in their last bit
 * from those of products that are widened to F32. Immutable and thread-safe.
 */
public final class BrainMatMulKernel implements Kernel {
  private static final int BLOCK = 2 * TileCode.ROWS;

  /** Products below which a second thread costs more than it brings. */
  private static final double PARALLEL_WORK = 1 << 21;

  private static final int BYTES = 2;

  // What a call keeps for its tasks.
  private static final int PANELS_OF_B = 0;
  private static final int PANELS_PER_TASK = 1;

  private final KernelKey key;
  private final boolean packedBefore;
  private final PairPacker packer;
  private final PanelShares shares;
  private final BrainPanel product;
  private final long m;
  private final long n;
  private final long k;
  private final Workers.Task<Operands> task = this::multiply;

  private BrainMatMulKernel(KernelKey key, boolean packedBefore) {
    this.key = key;
    this.packedBefore = packedBefore;
    Layout b = key.layout(1);
    this.k = b.shape().dim(-2);
    this.n = b.shape().dim(-1);
    this.m = key.output().shape().size() / n;
    this.product = new BrainPanel(k);
    this.packer = new PairPacker(k, n, BYTES * b.stride(-2), BYTES * b.stride(-1));
    this.shares = new PanelShares(m, BLOCK, packer.panels(), PANELS_PER_TASK);
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!(key.op() instanceof MatMul) || !key.all(DType.BF16)) {
      return null;
    }
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    boolean fits =
        a.isContiguous()
            && a.rank() >= 2
            && b.rank() >= 2
            && b.shape().slice(0, b.rank() - 2).size() == 1
            && key.output().shape().size() > 0
            && BrainPanel.isAvailable(b.shape().dim(-2))
            && b.shape().dim(-1) % PairPacker.WIDTH == 0;
    return fits ? new BrainMatMulKernel(key, false) : null;
  }

  @Override
  public void run(Operands operands) {
    if (packedBefore) {
      multiply(operands, operands.address(1));
      return;
    }
    MemoryPool.Block packed = HostMemory.shared().allocate(packer.bytes());
    try {
      packer.pack(operands, operands.address(1), packed.address());
      multiply(operands, packed.address());
    } finally {
      HostMemory.shared().free(packed);
    }
  }

  private void multiply(Operands call, long panels) {
    call.keep(PANELS_OF_B, panels);
    shares.run(call, (double) m * n * k >= PARALLEL_WORK, task);
  }

  /** Some panels for a block of rows. */
  private void multiply(Operands call, int chunk) {
    long first = shares.firstRow(chunk);
    long count = shares.count(chunk);
    long end = shares.endPanel(call, chunk);
    long row = BYTES * k;
    long a = call.address(0) + first * row;
    long c = call.address(2) + BYTES * first * n;
    long panel = shares.firstPanel(call, chunk);
    MemoryPool.Block scratch = HostMemory.shared().allocate(product.scratchBytes(count));
    product.run(
        a,
        row,
        call.kept(PANELS_OF_B) + panel * packer.panelBytes(),
        (end - panel) * PairPacker.WIDTH,
        c + panel * BYTES * PairPacker.WIDTH,
        BYTES * n,
        count,
        scratch.address());
    HostMemory.shared().free(scratch);
  }

  /** A constant matrix B is packed once. */
  @Override
  public @Nullable Prepared prepared() {
    return packedBefore
        ? null
        : new Prepared(1, packer.bytes(), packer, new BrainMatMulKernel(key, true));
  }

  @Override
  public String name() {
    return product.name();
  }
}
