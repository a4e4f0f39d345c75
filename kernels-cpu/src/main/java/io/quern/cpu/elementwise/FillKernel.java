package io.quern.cpu.elementwise;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Fill;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Fills floats. */
public final class FillKernel implements Kernel {
  private static final int CHUNK = 32768;

  private final long count;
  private final float value;
  private final Workers.Task<Operands> task = this::fill;

  private FillKernel(long count, float value) {
    this.count = count;
    this.value = value;
  }

  /** The kernel for {@code key}, or null when it is not F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.op() instanceof Fill fill
        ? new FillKernel(key.output().shape().size(), (float) fill.value())
        : null;
  }

  @Override
  public void run(Operands operands) {
    int chunks = Math.toIntExact((count + CHUNK - 1) / CHUNK);
    Workers.shared().run(task, operands, chunks);
  }

  private void fill(Operands operands, int chunk) {
    long first = (long) chunk * CHUNK;
    long n = Math.min(CHUNK, count - first);
    long to = operands.address(0) + 4 * first;
    for (long i = 0; i < n; i++) {
      Raw.putFloat(to + 4 * i, value);
    }
  }

  @Override
  public String name() {
    return "fill_f32";
  }
}
