package io.quern.cpu.rows;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.math.ScalarMath;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.Reduce;
import io.quern.op.Softmax;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Ops on whole rows of contiguous floats; several rows are a chunk of work. */
public final class RowKernel implements Kernel {
  private static final long CHUNK = 16384;
  private static final RowMath MATH = RowMath.chosen();
  private static final RunReduce MAX = RunReduce.of(Reduce.Fn.MAX);
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  private final Row row;
  private final String name;
  private final long rows;
  private final long length;
  private final long rowsPerChunk;

  /** What is computed for one row. */
  @FunctionalInterface
  private interface Row {
    void run(Operands operands, long from, long n, long to, long scratch);
  }

  private RowKernel(KernelKey key, String name, long length, Row row) {
    this.row = row;
    this.name = name;
    this.length = length;
    this.rows = length == 0 ? 0 : key.output().shape().size() / length;
    this.rowsPerChunk = Math.max(1, CHUNK / Math.max(1, length));
  }

  /** A Softmax along the last axis, or null. */
  public static @Nullable Kernel softmax(KernelKey key) {
    return key.op() instanceof Softmax(int axis) && fits(key, axis)
        ? new RowKernel(key, "softmax_f32_row", key.shape(0).dim(-1), RowKernel::softmaxRow)
        : null;
  }

  /** A LogSoftmax along the last axis, or null. */
  public static @Nullable Kernel logSoftmax(KernelKey key) {
    return key.op() instanceof LogSoftmax(int axis) && fits(key, axis)
        ? new RowKernel(key, "log_softmax_f32_row", key.shape(0).dim(-1), RowKernel::logSoftmaxRow)
        : null;
  }

  /** A LayerNorm, or null. */
  public static @Nullable Kernel layerNorm(KernelKey key) {
    if (!(key.op() instanceof LayerNorm norm) || !fits(key, -1)) {
      return null;
    }
    float epsilon = (float) norm.epsilon();
    return new RowKernel(
        key,
        "layer_norm_f32_row",
        key.shape(1).size(),
        (operands, from, n, to, scratch) -> layerNormRow(operands, epsilon, from, n, to, scratch));
  }

  private static boolean fits(KernelKey key, int axis) {
    return key.all(DType.F32)
        && key.isContiguous()
        && key.shape(0).axis(axis) == key.shape(0).rank() - 1;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared()
        .run(
            RowKernel::task,
            new Call(this, operands),
            Math.toIntExact((rows + rowsPerChunk - 1) / rowsPerChunk));
  }

  private record Call(RowKernel kernel, Operands operands) {}

  private static void task(Call call, int chunk) {
    RowKernel kernel = call.kernel;
    HostMemory.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long from = call.operands.address(0);
    long to = call.operands.address(call.operands.count() - 1);
    long first = chunk * kernel.rowsPerChunk;
    long end = Math.min(kernel.rows, first + kernel.rowsPerChunk);
    for (long i = first; i < end; i++) {
      long at = 4 * i * kernel.length;
      kernel.row.run(call.operands, from + at, kernel.length, to + at, scratch.address());
    }
    HostMemory.shared().free(scratch);
  }

  private static void softmaxRow(Operands operands, long from, long n, long to, long scratch) {
    float max = MAX.run(from, n, scratch);
    MATH.expDifference(from, max, n, to);
    MATH.divide(to, SUM.run(to, n, scratch), n, to);
  }

  private static void logSoftmaxRow(Operands operands, long from, long n, long to, long scratch) {
    float max = MAX.run(from, n, scratch);
    MATH.expDifference(from, max, n, to);
    float log = ScalarMath.log(SUM.run(to, n, scratch));
    MATH.subtract(from, max, n, to);
    MATH.subtract(to, log, n, to);
  }

  private static void layerNormRow(
      Operands operands, float epsilon, long from, long n, long to, long scratch) {
    float mean = SUM.run(from, n, scratch) / n;
    MATH.squaredDifference(from, mean, n, to);
    float variance = SUM.run(to, n, scratch) / n;
    float scale = 1 / (float) Math.sqrt(variance + epsilon);
    MATH.normalise(from, mean, scale, operands.address(1), operands.address(2), n, to);
  }

  @Override
  public String name() {
    return name;
  }
}
