package io.quern.cpu.rows;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Twins;
import io.quern.cpu.math.ScalarMath;
import io.quern.op.GroupNorm;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.RmsNorm;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Ops on whole rows of contiguous floats; several rows are a chunk of work. */
public final class RowKernel implements Kernel {
  private static final long CHUNK = 16384;

  /** Machine code cannot be stopped within rows; and they should stay in the second-level cache. */
  private static final long LONGEST = 65536;

  private static final Twins<RowMath> MATH = RowMath.twins();

  private final Rows body;
  private final boolean isMachineCode;
  private final String name;
  private final long rows;
  private final long length;
  private final long rowsPerChunk;
  private final long scratchBytes;
  private final Workers.Task<Operands> task = this::rows;

  /** What is computed for the rows from {@code first} to before {@code end}. */
  @FunctionalInterface
  private interface Rows {
    void run(Operands operands, long n, long first, long end, long scratch);
  }

  private RowKernel(
      KernelKey key, String name, long length, Rows otherwise, Supplier<Rows> machine) {
    this(
        key,
        name,
        length,
        areMachineCode(length) ? machine.get() : otherwise,
        areMachineCode(length));
  }

  private RowKernel(KernelKey key, String name, long length, Rows body) {
    this(key, name, length, body, false);
  }

  private RowKernel(KernelKey key, String name, long length, Rows body, boolean isMachineCode) {
    this.body = body;
    this.isMachineCode = isMachineCode;
    this.name = name;
    this.length = length;
    this.rows = length == 0 ? 0 : key.output().shape().size() / length;
    this.rowsPerChunk = Math.max(1, CHUNK / Math.max(1, length));
    this.scratchBytes = isMachineCode ? MachineRows.scratchBytes(length) : RowMath.SCRATCH;
  }

  /** A Softmax along the last axis, or null. */
  public static @Nullable Kernel softmax(KernelKey key) {
    return key.op() instanceof Softmax(int axis) && fits(key, axis)
        ? new RowKernel(
            key,
            "softmax_f32_row",
            key.shape(0).dim(-1),
            RowKernel::softmax,
            () -> machine(MachineRows.SOFTMAX, key, 0))
        : null;
  }

  /** A LogSoftmax along the last axis, or null. */
  public static @Nullable Kernel logSoftmax(KernelKey key) {
    return key.op() instanceof LogSoftmax(int axis) && fits(key, axis)
        ? new RowKernel(key, "log_softmax_f32_row", key.shape(0).dim(-1), RowKernel::logSoftmax)
        : null;
  }

  /** The gradient of a Softmax or LogSoftmax along the last axis, or null. */
  public static @Nullable Kernel softmaxGrad(KernelKey key) {
    return key.op() instanceof SoftmaxGrad(int axis, boolean log) && fits(key, axis)
        ? new RowKernel(
            key,
            "softmax_grad_f32_row",
            key.shape(0).dim(-1),
            log ? RowKernel::logSoftmaxGrad : RowKernel::softmaxGrad)
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
        (operands, n, first, end, scratch) -> layerNorm(operands, epsilon, n, first, end, scratch),
        () -> machine(MachineRows.LAYER_NORM, key, epsilon));
  }

  /** An RmsNorm, or null. */
  public static @Nullable Kernel rmsNorm(KernelKey key) {
    if (!(key.op() instanceof RmsNorm norm) || !fits(key, -1)) {
      return null;
    }
    float epsilon = (float) norm.epsilon();
    return new RowKernel(
        key,
        "rms_norm_f32_row",
        key.shape(1).size(),
        (operands, n, first, end, scratch) -> rmsNorm(operands, epsilon, n, first, end, scratch),
        () -> machine(MachineRows.RMS_NORM, key, epsilon));
  }

  /** A GroupNorm, or null; a row is a group. */
  public static @Nullable Kernel groupNorm(KernelKey key) {
    if (!(key.op() instanceof GroupNorm norm) || !fits(key, -1)) {
      return null;
    }
    float epsilon = (float) norm.epsilon();
    int groups = norm.groups();
    long channels = key.shape(0).dim(1) / groups;
    long pixels = key.shape(0).slice(2, key.shape(0).rank()).size();
    return new RowKernel(
        key,
        "group_norm_f32_row",
        channels * pixels,
        (operands, n, first, end, scratch) -> {
          for (long row = first; row < end; row++) {
            long channel = row % groups * channels;
            groupNormRow(operands, epsilon, n, row, channel, channels, scratch);
          }
        });
  }

  private static boolean areMachineCode(long length) {
    return length > 0 && length <= LONGEST && MachineTier.has512Bits();
  }

  private static Rows machine(MachineRows rows, KernelKey key, float epsilon) {
    boolean streams = MachineTier.streams(4 * key.output().shape().size());
    int output = key.inputs();
    return (operands, n, first, end, scratch) ->
        rows.run(
            operands.address(0) + 4 * first * n,
            output > 1 ? operands.address(1) : 0,
            output > 2 ? operands.address(2) : 0,
            operands.address(output) + 4 * first * n,
            epsilon,
            streams,
            n,
            end - first,
            scratch);
  }

  private static boolean fits(KernelKey key, int axis) {
    return key.all(DType.F32)
        && key.isContiguous()
        && key.shape(0).axis(axis) == key.shape(0).rank() - 1;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, Math.toIntExact((rows + rowsPerChunk - 1) / rowsPerChunk));
  }

  private void rows(Operands operands, int chunk) {
    long first = chunk * rowsPerChunk;
    long end = Math.min(rows, first + rowsPerChunk);
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(scratchBytes)) {
      body.run(operands, length, first, end, scratch.address());
    }
  }

  private static void softmax(Operands operands, long n, long first, long end, long scratch) {
    long x = operands.address(0) + 4 * first * n;
    long to = operands.address(1) + 4 * first * n;
    float max = MATH.get().max(x, n);
    for (long row = first; row < end; row++) {
      long next = row + 1 < end ? x + 4 * n : x;
      float nextMax = MATH.get().exp(x, max, n, to, scratch, next);
      MATH.get().scale(to, 1 / MATH.get().fold(scratch), n);
      max = nextMax;
      x = next;
      to += 4 * n;
    }
  }

  private static void logSoftmax(Operands operands, long n, long first, long end, long scratch) {
    for (long at = 4 * first * n; at < 4 * end * n; at += 4 * n) {
      long x = operands.address(0) + at;
      float max = MATH.get().max(x, n);
      float log = ScalarMath.log(MATH.get().sumExp(x, max, n, scratch));
      MATH.get().subtract(x, max, log, n, operands.address(1) + at);
    }
  }

  private static void softmaxGrad(Operands operands, long n, long first, long end, long scratch) {
    for (long at = 4 * first * n; at < 4 * end * n; at += 4 * n) {
      long y = operands.address(0) + at;
      long gradient = operands.address(1) + at;
      float mean = MATH.get().dot(gradient, y, n, scratch);
      MATH.get().subtractTimes(gradient, mean, y, n, operands.address(2) + at);
    }
  }

  private static void logSoftmaxGrad(
      Operands operands, long n, long first, long end, long scratch) {
    for (long at = 4 * first * n; at < 4 * end * n; at += 4 * n) {
      long gradient = operands.address(1) + at;
      float sum = MATH.get().sum(gradient, n, scratch);
      MATH.get().subtractExp(gradient, operands.address(0) + at, sum, n, operands.address(2) + at);
    }
  }

  private static float inverse(float squares, float epsilon) {
    return 1 / (float) Math.sqrt(squares + epsilon);
  }

  private static void layerNorm(
      Operands operands, float epsilon, long n, long first, long end, long scratch) {
    long gamma = operands.address(1);
    long beta = operands.address(2);
    for (long at = 4 * first * n; at < 4 * end * n; at += 4 * n) {
      long x = operands.address(0) + at;
      float mean = MATH.get().sum(x, n, scratch) / n;
      float scale = inverse(MATH.get().squares(x, mean, n, scratch) / n, epsilon);
      MATH.get().normalise(x, mean, scale, gamma, beta, n, operands.address(3) + at);
    }
  }

  private static void rmsNorm(
      Operands operands, float epsilon, long n, long first, long end, long scratch) {
    for (long at = 4 * first * n; at < 4 * end * n; at += 4 * n) {
      long x = operands.address(0) + at;
      float scale = inverse(MATH.get().squares(x, 0, n, scratch) / n, epsilon);
      MATH.get().rescale(x, scale, operands.address(1), n, operands.address(2) + at);
    }
  }

  private static void groupNormRow(
      Operands operands,
      float epsilon,
      long n,
      long row,
      long channel,
      long channels,
      long scratch) {
    long x = operands.address(0) + 4 * row * n;
    long to = operands.address(3) + 4 * row * n;
    float mean = MATH.get().sum(x, n, scratch) / n;
    float scale = inverse(MATH.get().squares(x, mean, n, scratch) / n, epsilon);
    long pixels = n / channels;
    for (long c = channel; c < channel + channels; c++) {
      float gamma = Raw.getFloat(operands.address(1) + 4 * c);
      float beta = Raw.getFloat(operands.address(2) + 4 * c);
      MATH.get().normalise(x, mean, scale, gamma, beta, pixels, to);
      x += 4 * pixels;
      to += 4 * pixels;
    }
  }

  @Override
  public boolean warmUp() {
    return isMachineCode || MATH.await();
  }

  @Override
  public String name() {
    return name;
  }
}
