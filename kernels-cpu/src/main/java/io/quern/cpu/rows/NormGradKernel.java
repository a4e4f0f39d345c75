package io.quern.cpu.rows;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.op.NormGrad;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Gradients of LayerNorm and RmsNorm of contiguous floats. A chunk is a run of rows, with sums of
 * its own for the gradients of gamma and beta, which are added in the order of the chunks.
 */
public final class NormGradKernel implements Kernel {
  private static final long CHUNK = 16384;
  private static final long MOST_CHUNKS = 64;
  private static final Twins<RowMath> MATH = RowMath.twins();
  private static final Twins<NormGradMath> GRADIENT = NormGradMath.twins();

  private final float epsilon;
  private final boolean centred;
  private final long rows;
  private final long length;
  private final long rowsPerChunk;
  private final int chunks;
  private final Workers.Task<Operands> task = this::rows;

  private NormGradKernel(KernelKey key, NormGrad op) {
    this.epsilon = (float) op.epsilon();
    this.centred = op.centred();
    this.length = key.shape(1).size();
    Shape shape = key.shape(0);
    this.rows = shape.slice(0, shape.rank() - op.dims()).size();
    this.rowsPerChunk =
        Math.max((rows + MOST_CHUNKS - 1) / MOST_CHUNKS, Math.max(1, CHUNK / Math.max(1, length)));
    this.chunks = (int) ((rows + rowsPerChunk - 1) / rowsPerChunk);
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.isContiguous() && key.op() instanceof NormGrad op
        ? new NormGradKernel(key, op)
        : null;
  }

  @Override
  public void run(Operands operands) {
    if (length == 0) {
      return;
    }
    long outputs = centred ? 2 : 1;
    MemoryPool.Block sums = HostMemory.shared().allocate(8L * Math.max(1, chunks) * length);
    try {
      operands.keep(0, sums.address());
      Workers.shared().run(task, operands, chunks);
      for (int i = 0; i < outputs; i++) {
        long to = operands.address(4 + i);
        Raw.zero(to, 4 * length);
        for (long chunk = 0; chunk < chunks; chunk++) {
          GRADIENT.get().add(sums.address() + (2 * chunk + i) * 4 * length, length, to);
        }
      }
    } finally {
      HostMemory.shared().free(sums);
    }
  }

  private void rows(Operands operands, int chunk) {
    MemoryPool.Block scratch = HostMemory.shared().allocate(2 * RowMath.SCRATCH);
    try {
      long n = length;
      long first = chunk * rowsPerChunk;
      long end = Math.min(rows, first + rowsPerChunk);
      long sums = operands.kept(0) + 8L * chunk * n;
      Raw.zero(sums, 8 * n);
      for (long at = 4 * first * n; at < 4 * end * n; at += 4 * n) {
        row(operands, at, sums, scratch.address());
      }
    } finally {
      HostMemory.shared().free(scratch);
    }
  }

  private void row(Operands operands, long at, long sums, long scratch) {
    long n = length;
    long x = operands.address(0) + at;
    long gamma = operands.address(1);
    long gradient = operands.address(2) + at;
    float mean = centred ? MATH.get().sum(x, n, scratch) / n : 0;
    float scale = 1 / (float) Math.sqrt(MATH.get().squares(x, mean, n, scratch) / n + epsilon);
    long other = scratch + RowMath.SCRATCH;
    GRADIENT.get().sums(x, mean, scale, gamma, gradient, n, sums, scratch);
    float h = centred ? MATH.get().fold(scratch) / n : 0;
    float hz = MATH.get().fold(other) / n;
    GRADIENT.get().input(x, mean, scale, gamma, gradient, h, hz, n, operands.address(3) + at);
  }

  @Override
  public boolean warmUp() {
    return MATH.await() && GRADIENT.await();
  }

  @Override
  public String name() {
    return "norm_grad_f32_row";
  }
}
