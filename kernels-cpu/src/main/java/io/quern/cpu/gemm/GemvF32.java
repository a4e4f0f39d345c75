package io.quern.cpu.gemm;

import io.quern.cpu.Twins;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Reduce;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;

/**
 * y = M x for a float matrix whose rows or columns are contiguous. Immutable and thread-safe.
 *
 * <p>Contiguous rows are folded to dot products, by 64 lanes like a sum; contiguous columns are
 * added to y one after another, in blocks of k as a product of matrices adds them. Rows that must
 * be added like that are transposed on the way.
 */
final class GemvF32 {
  /** Elements of the matrix that make up a chunk of work. */
  private static final long CHUNK = 1 << 16;

  /** Columns of y that stay in the first-level cache, when columns of the matrix are added. */
  private static final long SLICE = 4096;

  /** Results whose rows are transposed together. */
  private static final long STRIP = 64;

  private static final Transpose TRANSPOSE = Transpose.chosen();
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  /** How the elements of the matrix become results. */
  enum Order {
    /** The k elements of a result are contiguous and folded by lanes. */
    DOTS,

    /** The elements of all results for one of k are contiguous and added in blocks of k. */
    COLUMNS,

    /** The k elements of a result are contiguous, and added in blocks of k all the same. */
    TRANSPOSED
  }

  private final Twins<MatVec> kernel = MatVec.twins();
  private final long n;
  private final long k;
  private final Order order;
  private final long stride;
  private final long xStep;
  private final long depth;

  /**
   * The product for {@code n} results of {@code k} products each.
   *
   * @param order where the elements of a result lie and how they are added
   * @param stride bytes from one contiguous part of the matrix to the next
   * @param xStep bytes from an element of the vector to the next
   * @param depth elements of a block of k
   */
  GemvF32(long n, long k, Order order, long stride, long xStep, long depth) {
    this.n = n;
    this.k = k;
    this.order = order;
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
    MemoryPool.Block copy = HostMemory.shared().allocate(4 * k);
    try {
      for (long t = 0; t < k; t++) {
        Raw.putFloat(copy.address() + 4 * t, Raw.getFloat(vector + t * xStep));
      }
      Call call = calls.take();
      call.matrix = matrix;
      call.vector = copy.address();
      call.result = result;
      call.perChunk = perChunk();
      Workers.shared().run(task, call, Math.toIntExact((n + call.perChunk - 1) / call.perChunk));
      calls.give(call);
    } finally {
      HostMemory.shared().free(copy);
    }
  }

  /** Waits for the fast loops. */
  boolean warmUp() {
    return kernel.await();
  }

  /** Whether the matrix is transposed on the way, which need not be done each time. */
  boolean transposes() {
    return order == Order.TRANSPOSED;
  }

  private long perChunk() {
    if (n * k <= CHUNK) {
      return n;
    }
    return switch (order) {
      case DOTS -> Math.max(1, CHUNK / k);
      case COLUMNS -> Math.clamp(n / Workers.shared().threads() / 64 * 64, 64, SLICE);
      case TRANSPOSED -> STRIP;
    };
  }

  private void chunk(Call call, int chunk) {
    long first = chunk * call.perChunk;
    long count = Math.min(call.perChunk, n - first);
    long result = call.result + 4 * first;
    switch (order) {
      case DOTS -> dots(call.matrix + first * stride, call.vector, count, result);
      case COLUMNS -> columns(call.matrix + 4 * first, call.vector, count, result);
      case TRANSPOSED -> transposed(call.matrix + first * stride, call.vector, count, result);
    }
  }

  private void dots(long matrix, long vector, long count, long result) {
    MemoryPool.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long lanes = scratch.address();
    long whole = k / MatVec.LANES * MatVec.LANES;
    for (long i = 0; i < count; i++) {
      SUM.clear(lanes);
      kernel.get().addProducts(matrix, vector, whole, lanes);
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
    MemoryPool.Block sums = HostMemory.shared().allocate(4 * count);
    for (long t = 0; t < k; t += depth) {
      long to = t == 0 ? result : sums.address();
      long rows = Math.min(depth, k - t);
      addColumns(matrix + t * stride, stride, vector + 4 * t, rows, count, to);
      if (t > 0) {
        SUM.addRow(to, count, result);
      }
    }
    HostMemory.shared().free(sums);
  }

  private void transposed(long matrix, long vector, long count, long result) {
    long bytes = 4 * count;
    MemoryPool.Block memory =
        HostMemory.shared().allocate(Transpose.SCRATCH + bytes + depth * bytes);
    long sums = memory.address() + Transpose.SCRATCH;
    long columns = sums + bytes;
    for (long t = 0; t < k; t += depth) {
      long to = t == 0 ? result : sums;
      long rows = Math.min(depth, k - t);
      TRANSPOSE.run(matrix + 4 * t, stride, count, rows, columns, bytes, memory.address());
      addColumns(columns, bytes, vector + 4 * t, rows, count, to);
      if (t > 0) {
        SUM.addRow(to, count, result);
      }
    }
    HostMemory.shared().free(memory);
  }

  private void addColumns(long matrix, long row, long vector, long k, long count, long result) {
    Raw.zero(result, 4 * count);
    long whole = k / MatVec.ROWS * MatVec.ROWS;
    for (long t = 0; t < whole; t += MatVec.ROWS) {
      kernel.get().addRows(vector + 4 * t, matrix + t * row, row, count, result);
    }
    for (long t = whole; t < k; t++) {
      float x = Raw.getFloat(vector + 4 * t);
      for (long at = 0; at < 4 * count; at += 4) {
        float sum = Raw.getFloat(result + at);
        Raw.putFloat(result + at, Math.fma(x, Raw.getFloat(matrix + t * row + at), sum));
      }
    }
  }
}
