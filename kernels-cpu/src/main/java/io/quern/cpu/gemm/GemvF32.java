package io.quern.cpu.gemm;

import io.quern.cpu.Spare;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Reduce;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * y = M x for a float matrix whose rows or columns are contiguous. Immutable and thread-safe.
 *
 * <p>Contiguous rows are folded to dot products, by 64 lanes like a sum; contiguous columns are
 * added to y one after another, in blocks of k as a product of matrices adds them.
 */
final class GemvF32 {
  /** Elements of the matrix that make up a chunk of work. */
  private static final long CHUNK = 1 << 16;

  /** Columns of y that stay in the first-level cache, when columns of the matrix are added. */
  private static final long SLICE = 2048;

  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  private final MatVec kernel = MatVec.chosen();
  private final long n;
  private final long k;
  private final boolean byRows;
  private final long stride;
  private final long xStep;
  private final long depth;

  /**
   * The product for {@code n} results of {@code k} products each.
   *
   * @param byRows whether the k elements of a result are contiguous, else those of all results are
   * @param stride bytes from one contiguous part of the matrix to the next
   * @param xStep bytes from an element of the vector to the next
   * @param depth elements of a block of k
   */
  GemvF32(long n, long k, boolean byRows, long stride, long xStep, long depth) {
    this.n = n;
    this.k = k;
    this.byRows = byRows;
    this.stride = stride;
    this.xStep = xStep;
    this.depth = depth;
  }

  /** The addresses of a product for its tasks. */
  private static final class Call {
    private long matrix;
    private long vector;
    private long result;
    private long perChunk;
  }

  private final Spare<Call> calls = new Spare<>(Call::new);
  private final Workers.Task<Call> task = this::chunk;

  /** Computes y, contiguous, from the addresses of M and x. */
  void run(long matrix, long vector, long result) {
    HostMemory.Block copy = HostMemory.shared().allocate(4 * k);
    try {
      for (long t = 0; t < k; t++) {
        Raw.putFloat(copy.address() + 4 * t, Raw.getFloat(vector + t * xStep));
      }
      long perChunk = byRows ? Math.max(1, CHUNK / k) : Math.clamp(n / 4 / 64 * 64, 64, SLICE);
      Call call = calls.take();
      call.matrix = matrix;
      call.vector = copy.address();
      call.result = result;
      call.perChunk = perChunk;
      Workers.shared().run(task, call, Math.toIntExact((n + perChunk - 1) / perChunk));
      calls.give(call);
    } finally {
      HostMemory.shared().free(copy);
    }
  }

  private void chunk(Call call, int chunk) {
    long first = chunk * call.perChunk;
    long count = Math.min(call.perChunk, n - first);
    if (byRows) {
      dots(call.matrix + first * stride, call.vector, count, call.result + 4 * first);
    } else {
      columns(call.matrix + 4 * first, call.vector, count, call.result + 4 * first);
    }
  }

  private void dots(long matrix, long vector, long count, long result) {
    HostMemory.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long lanes = scratch.address();
    long whole = k / MatVec.LANES * MatVec.LANES;
    for (long i = 0; i < count; i++) {
      SUM.clear(lanes);
      kernel.addProducts(matrix, vector, whole, lanes);
      for (long t = whole; t < k; t++) {
        long lane = lanes + 4 * (t - whole);
        float x = Raw.getFloat(vector + 4 * t);
        Raw.putFloat(lane, Math.fma(x, Raw.getFloat(matrix + 4 * t), Raw.getFloat(lane)));
      }
      Raw.putFloat(result + 4 * i, SUM.finish(lanes));
      matrix += stride;
    }
    HostMemory.shared().free(scratch);
  }

  private void columns(long matrix, long vector, long count, long result) {
    HostMemory.Block block = k > depth ? HostMemory.shared().allocate(4 * count) : null;
    for (long t = 0; t < k; t += depth) {
      long to = t == 0 || block == null ? result : block.address();
      addColumns(matrix + t * stride, vector + 4 * t, Math.min(depth, k - t), count, to);
      if (to != result) {
        SUM.addRow(to, count, result);
      }
    }
    if (block != null) {
      HostMemory.shared().free(block);
    }
  }

  private void addColumns(long matrix, long vector, long k, long count, long result) {
    Raw.zero(result, 4 * count);
    long whole = k / MatVec.ROWS * MatVec.ROWS;
    for (long t = 0; t < whole; t += MatVec.ROWS) {
      kernel.addRows(vector + 4 * t, matrix + t * stride, stride, count, result);
    }
    for (long t = whole; t < k; t++) {
      float x = Raw.getFloat(vector + 4 * t);
      for (long at = 0; at < 4 * count; at += 4) {
        float sum = Raw.getFloat(result + at);
        Raw.putFloat(result + at, Math.fma(x, Raw.getFloat(matrix + t * stride + at), sum));
      }
    }
  }
}
