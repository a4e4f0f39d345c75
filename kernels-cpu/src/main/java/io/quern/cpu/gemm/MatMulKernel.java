package io.quern.cpu.gemm;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** MatMul of float tensors of any strides; broadcast batches, one product after another. */
public final class MatMulKernel implements Kernel {
  private final GemmF32 gemm;
  private final int batches;
  private final long[] aOffsets;
  private final long[] bOffsets;
  private final long cBatch;

  private MatMulKernel(KernelKey key) {
    Layout a = key.layout(0);
    Layout b = key.layout(1);
    Layout c = key.output();
    long m = c.shape().dim(-2);
    long n = c.shape().dim(-1);
    this.gemm =
        new GemmF32(
            m,
            n,
            a.shape().dim(-1),
            4 * a.stride(-2),
            4 * a.stride(-1),
            4 * b.stride(-2),
            4 * b.stride(-1),
            4 * n);
    this.cBatch = 4 * m * n;
    this.batches = cBatch == 0 ? 0 : Math.toIntExact(4 * c.shape().size() / cBatch);
    this.aOffsets = batchOffsets(a, c);
    this.bOffsets = batchOffsets(b, c);
  }

  /** The kernel for {@code key}, or null when it is not all F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) ? new MatMulKernel(key) : null;
  }

  /** Byte offsets of an operand's matrices, in the order of the output's batches. */
  private long[] batchOffsets(Layout operand, Layout output) {
    long[] offsets = new long[batches];
    int lead = output.rank() - operand.rank();
    for (int batch = 0; batch < batches; batch++) {
      long rest = batch;
      for (int d = output.rank() - 3; d >= 0; d--) {
        long index = rest % output.shape().dim(d);
        rest /= output.shape().dim(d);
        if (d >= lead && operand.shape().dim(d - lead) > 1) {
          offsets[batch] += 4 * index * operand.stride(d - lead);
        }
      }
    }
    return offsets;
  }

  @Override
  public void run(Operands operands) {
    long a = operands.address(0);
    long b = operands.address(1);
    long c = operands.address(2);
    if (batches >= Workers.shared().threads() || !gemm.isLarge()) {
      Workers.shared().run(MatMulKernel::product, new Call(this, a, b, c), batches);
    } else {
      for (int batch = 0; batch < batches; batch++) {
        gemm.run(a + aOffsets[batch], b + bOffsets[batch], c + batch * cBatch);
      }
    }
  }

  private record Call(MatMulKernel kernel, long a, long b, long c) {}

  private static void product(Call call, int batch) {
    MatMulKernel kernel = call.kernel;
    kernel.gemm.run(
        call.a + kernel.aOffsets[batch],
        call.b + kernel.bOffsets[batch],
        call.c + batch * kernel.cBatch);
  }

  @Override
  public String name() {
    return MicroKernel.chosen().name();
  }
}
