package io.quern.cpu.gemm;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.fused.RowChain;
import io.quern.op.Epilogue;
import io.quern.op.Layout;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.ScalarProgram;
import io.quern.runtime.Workers;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * MatMul of float tensors of any strides; broadcast batches, one product after another. Batches of
 * rows that meet the same matrix B are the rows of one product.
 */
public final class MatMulKernel implements Kernel {
  private static final long MOST_CHUNKS = 1 << 16;

  private final KernelKey key;
  private final boolean packedBefore;
  private final GemmF32 gemm;
  private final long batches;
  private final long perChunk;
  private final long[] batchDims;
  private final long[] aStrides;
  private final long[] bStrides;
  private final long cBatch;
  private final long rows;
  private final @Nullable RowChain chain;
  private final Workers.Task<Operands> task = this::products;

  private MatMulKernel(KernelKey key, @Nullable RowChain chain, boolean packedBefore) {
    this.key = key;
    this.packedBefore = packedBefore;
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    Layout c = key.output();
    long n = c.shape().dim(-1);
    boolean joined = areRowsOfOne(a, b, c);
    long m = joined ? c.shape().slice(0, c.rank() - 1).size() : c.shape().dim(-2);
    this.gemm =
        new GemmF32(
            m,
            n,
            a.shape().dim(-1),
            4 * a.stride(-2),
            4 * a.stride(-1),
            4 * b.stride(-2),
            4 * b.stride(-1),
            4 * n,
            packedBefore,
            chain);
    this.cBatch = 4 * m * n;
    this.rows = m;
    this.chain = chain;
    this.batches = cBatch == 0 ? 0 : c.shape().size() / (m * n);
    this.perChunk = Math.max(1, batches / MOST_CHUNKS);
    this.batchDims = joined ? new long[0] : c.shape().slice(0, c.rank() - 2).toArray();
    this.aStrides = joined ? new long[0] : batchStrides(a, c.rank());
    this.bStrides = joined ? new long[0] : batchStrides(b, c.rank());
  }

  /** Whether B has no batches, and the rows of all matrices A lie evenly, one after another. */
  private static boolean areRowsOfOne(Layout a, Layout b, Layout c) {
    boolean evenly = a.rank() == c.rank() && b.shape().slice(0, b.rank() - 2).size() == 1;
    long next = a.stride(-2) * a.shape().dim(-2);
    for (int d = a.rank() - 3; evenly && d >= 0; d--) {
      long size = a.shape().dim(d);
      evenly = size == c.shape().dim(d) && (size == 1 || a.stride(d) == next);
      next *= size;
    }
    return evenly;
  }

  /** The kernel for {@code key}, or null when it is not all F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.op() instanceof MatMul
        ? new MatMulKernel(key, null, false)
        : null;
  }

  /** The kernel for a product with an epilogue, or null when an operand does not fit. */
  public static @Nullable Kernel withEpilogue(KernelKey key) {
    if (!key.all(DType.F32)
        || !(key.op() instanceof Epilogue(Op product, int operands, ScalarProgram program))
        || !(product instanceof MatMul)) {
      return null;
    }
    Layout[] extras = new Layout[key.inputs() - operands];
    for (int i = 0; i < extras.length; i++) {
      extras[i] = key.layout(operands + i);
    }
    RowChain chain = RowChain.of(program, extras, key.output().shape(), 1);
    return chain == null ? null : new MatMulKernel(key, chain, false);
  }

  /** Bytes from one of an operand's matrices to the next along each of the output's batch axes. */
  private static long[] batchStrides(Layout operand, int rank) {
    long[] strides = new long[rank - 2];
    int lead = rank - operand.rank();
    for (int d = lead; d < strides.length; d++) {
      strides[d] = operand.shape().dim(d - lead) > 1 ? 4 * operand.stride(d - lead) : 0;
    }
    return strides;
  }

  private long offset(long[] strides, long batch) {
    long offset = 0;
    for (int d = strides.length - 1; d >= 0; d--) {
      long next = batch / batchDims[d];
      offset += (batch - next * batchDims[d]) * strides[d];
      batch = next;
    }
    return offset;
  }

  @Override
  public void run(Operands operands) {
    if (batches >= Workers.shared().threads() || !gemm.isLarge()) {
      int chunks = Math.toIntExact((batches + perChunk - 1) / perChunk);
      Workers.shared().run(task, operands, chunks);
    } else {
      products(operands, 0, batches);
    }
  }

  private void products(Operands operands, int chunk) {
    long first = chunk * perChunk;
    products(operands, first, Math.min(batches, first + perChunk));
  }

  private void products(Operands operands, long first, long end) {
    long a = operands.address(0);
    long b = operands.address(1);
    long c = operands.address(operands.count() - 1);
    for (long batch = first; batch < end; batch++) {
      gemm.run(
          a + offset(aStrides, batch),
          b + offset(bStrides, batch),
          c + batch * cBatch,
          operands,
          batch * rows);
    }
  }

  /** One matrix B for all products is packed once. */
  @Override
  public @Nullable Prepared prepared() {
    boolean single = Arrays.stream(bStrides).allMatch(stride -> stride == 0);
    PanelPacker packer = packedBefore || !single || batches == 0 ? null : gemm.packer();
    return packer == null
        ? null
        : new Prepared(1, packer.bytes(), packer, new MatMulKernel(key, chain, true));
  }

  @Override
  public boolean warmUp() {
    return gemm.warmUp() && (chain == null || chain.warmUp());
  }

  @Override
  public String name() {
    return gemm.name() + (chain == null ? "" : "_epilogue");
  }
}
