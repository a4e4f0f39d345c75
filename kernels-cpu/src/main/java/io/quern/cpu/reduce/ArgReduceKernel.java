package io.quern.cpu.reduce;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.ArgReduce;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** ArgReduce of contiguous floats, one output after another. */
public final class ArgReduceKernel implements Kernel {
  private static final long CHUNK = 16384;

  private final boolean max;
  private final long length;
  private final long inner;
  private final long total;
  private final long perChunk;
  private final Workers.Task<Operands> task = this::positions;

  private ArgReduceKernel(KernelKey key, ArgReduce op) {
    Shape shape = key.shape(0);
    int axis = shape.axis(op.axis());
    this.max = op.fn() == ArgReduce.Fn.ARGMAX;
    this.length = shape.dim(axis);
    this.inner = shape.slice(axis + 1, shape.rank()).size();
    this.total = key.output().shape().size();
    this.perChunk = Math.max(1, CHUNK / Math.max(1, length));
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.dtype(0) == DType.F32 && key.isContiguous() && key.op() instanceof ArgReduce op
        ? new ArgReduceKernel(key, op)
        : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, Math.toIntExact((total + perChunk - 1) / perChunk));
  }

  private void positions(Operands operands, int chunk) {
    long first = chunk * perChunk;
    long end = Math.min(total, first + perChunk);
    for (long i = first; i < end; i++) {
      long outer = i / inner;
      long base = operands.address(0) + 4 * (outer * length * inner + i % inner);
      Raw.putLong(operands.address(1) + 8 * i, find(base));
    }
  }

  private long find(long base) {
    long best = 0;
    float extreme = Raw.getFloat(base);
    for (long i = 1; i < length && !Float.isNaN(extreme); i++) {
      float x = Raw.getFloat(base + 4 * i * inner);
      if (Float.isNaN(x) || (max ? x > extreme : x < extreme)) {
        extreme = x;
        best = i;
      }
    }
    return best;
  }

  @Override
  public String name() {
    return "argreduce_f32";
  }
}
