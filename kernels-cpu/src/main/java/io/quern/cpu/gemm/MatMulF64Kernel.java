package io.quern.cpu.gemm;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.op.MatMul;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** MatMul of doubles of any strides; broadcast batches, one product after another. */
public final class MatMulF64Kernel implements Kernel {
  private static final long MOST_CHUNKS = 1 << 16;

  private final GemmF64 gemm;
  private final long batches;
  private final long perChunk;
  private final Layout left;
  private final Layout right;
  private final Layout output;
  private final Workers.Task<Operands> task = this::products;

  private MatMulF64Kernel(KernelKey key) {
    this.left = key.layout(0);
    this.right = key.layout(1);
    this.output = key.output();
    long m = output.shape().dim(-2);
    long n = output.shape().dim(-1);
    this.gemm =
        new GemmF64(
            m,
            n,
            left.shape().dim(-1),
            8 * left.stride(-2),
            8 * left.stride(-1),
            8 * right.stride(-2),
            8 * right.stride(-1));
    this.batches = m * n == 0 ? 0 : output.shape().size() / (m * n);
    this.perChunk = Math.max(1, (batches + MOST_CHUNKS - 1) / MOST_CHUNKS);
  }

  /** The kernel for {@code key}, or null when it is not all F64. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F64) && key.op() instanceof MatMul ? new MatMulF64Kernel(key) : null;
  }

  @Override
  public void run(Operands operands) {
    int chunks = (int) ((batches + perChunk - 1) / perChunk);
    if (batches >= Workers.shared().threads() || !gemm.isLarge()) {
      Workers.shared().run(task, operands, chunks);
      return;
    }
    for (int chunk = 0; chunk < chunks; chunk++) {
      products(operands, chunk);
    }
  }

  private void products(Operands operands, int chunk) {
    long first = chunk * perChunk;
    for (long batch = first; batch < Math.min(batches, first + perChunk); batch++) {
      gemm.run(
          operands.address(0) + 8 * offset(left, batch),
          operands.address(1) + 8 * offset(right, batch),
          operands.address(2) + 8 * batch * output.shape().dim(-2) * output.shape().dim(-1));
    }
  }

  /** Elements from an operand's first matrix to the one of a batch of the output. */
  private long offset(Layout operand, long batch) {
    long offset = 0;
    for (int d = output.rank() - 3; d >= 0; d--) {
      long index = batch % output.shape().dim(d);
      int own = d - output.rank() + operand.rank();
      if (own >= 0 && operand.shape().dim(own) > 1) {
        offset += index * operand.stride(own);
      }
      batch /= output.shape().dim(d);
    }
    return offset;
  }

  @Override
  public boolean warmUp() {
    return gemm.warmUp();
  }

  @Override
  public String name() {
    return "gemm_f64_6x" + MicroKernelF64.columns();
  }
}
