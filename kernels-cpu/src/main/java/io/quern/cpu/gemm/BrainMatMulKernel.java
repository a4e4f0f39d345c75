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
 * from those of products that are widened to F32. Rows of A are read in place where they are whole
 * and side by side, else from a copy. Immutable and thread-safe.
 */
public final class BrainMatMulKernel implements Kernel {
  private static final int BLOCK = 2 * BrainPanel.BLOCK;

  /** Products below which a second thread costs more than it brings. */
  private static final double PARALLEL_WORK = 1 << 21;

  private static final int BYTES = 2;

  // What a call keeps for its tasks; the first two are the packers'.
  private static final int PANELS_OF_B = 2;
  private static final int PANELS_PER_TASK = 3;
  private static final int ROWS_OF_A = 4;
  private static final int PANELS_OF_A = 5;

  private final KernelKey key;
  private final boolean packedBefore;
  private final PairPacker packer;

  /** Packs A as if it were transposed, or null where rows are read in place. */
  private final @Nullable PairPacker rowPacker;

  private final PanelShares shares;
  private final BrainPanel product;
  private final long m;
  private final long n;
  private final long k;
  private final long aRow;
  private final Workers.Task<Operands> task = this::multiply;
  private final Workers.Task<Operands> turn = this::turn;

  private BrainMatMulKernel(KernelKey key, boolean packedBefore) {
    this.key = key;
    this.packedBefore = packedBefore;
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    this.n = b.shape().dim(-1);
    this.m = key.output().shape().size() / n;
    long depth = b.shape().dim(-2);
    this.k = BrainPanel.wholeDepth(depth);
    this.product = new BrainPanel(k, BrainPanel.Result.BRAIN_FLOATS);
    this.packer = new PairPacker(depth, n, BYTES * b.stride(-2), BYTES * b.stride(-1));
    boolean isInPlace = k == depth && a.stride(-1) == 1;
    this.aRow = BYTES * (isInPlace ? a.stride(-2) : k);
    this.rowPacker =
        isInPlace ? null : new PairPacker(depth, m, BYTES * a.stride(-1), BYTES * a.stride(-2));
    this.shares = new PanelShares(m, BLOCK, packer.panels(), PANELS_PER_TASK);
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!(key.op() instanceof MatMul) || !key.all(DType.BF16) || !BrainPanel.isAvailable()) {
      return null;
    }
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    boolean fits =
        (a.rank() == 2 || (a.rank() > 2 && a.isContiguous()))
            && b.rank() >= 2
            && b.shape().slice(0, b.rank() - 2).size() == 1
            && key.output().shape().size() > 0;
    return fits ? new BrainMatMulKernel(key, false) : null;
  }

  @Override
  public void run(Operands operands) {
    long bBytes = packedBefore ? 0 : packer.bytes();
    long aBytes = rowPacker == null ? 0 : rowPacker.bytes();
    MemoryPool.Block memory = HostMemory.shared().allocate(bBytes + 2 * aBytes);
    try {
      if (!packedBefore) {
        packer.pack(operands, operands.address(1), memory.address());
      }
      operands.keep(PANELS_OF_B, packedBefore ? operands.address(1) : memory.address());
      operands.keep(ROWS_OF_A, operands.address(0));
      if (rowPacker != null) {
        long panels = memory.address() + bBytes;
        rowPacker.pack(operands, operands.address(0), panels);
        operands.keep(PANELS_OF_A, panels);
        operands.keep(ROWS_OF_A, panels + aBytes);
        Workers.shared().run(turn, operands, Math.toIntExact(rowPacker.panels()));
      }
      shares.run(operands, (double) m * n * k >= PARALLEL_WORK, task);
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  /** Makes rows of a panel of pairs of A. */
  private void turn(Operands call, int panel) {
    long rows = Math.min(BrainPanel.WIDTH, m - (long) panel * BrainPanel.WIDTH);
    MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH);
    long from = call.kept(PANELS_OF_A) + panel * product.panelBytes();
    long to = call.kept(ROWS_OF_A) + panel * product.panelBytes();
    Transpose.chosen().run(from, 4L * BrainPanel.WIDTH, k / 2, rows, to, aRow, scratch.address());
    HostMemory.shared().free(scratch);
  }

  /** Some panels for a block of rows. */
  private void multiply(Operands call, int chunk) {
    long first = shares.firstRow(call, chunk);
    long count = shares.count(call, chunk);
    long panel = shares.firstPanel(call, chunk);
    long columns = Math.min(n, shares.endPanel(call, chunk) * BrainPanel.WIDTH);
    long column = panel * BrainPanel.WIDTH;
    MemoryPool.Block scratch = HostMemory.shared().allocate(product.scratchBytes(count));
    product.run(
        call.kept(ROWS_OF_A) + first * aRow,
        aRow,
        call.kept(PANELS_OF_B) + panel * product.panelBytes(),
        columns - column,
        BrainPanel.ZEROS,
        0,
        0,
        call.address(2) + BYTES * (first * n + column),
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
    return "gemm_" + product.name();
  }
}
