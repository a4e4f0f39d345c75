package io.quern.cpu.elementwise;

import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Fill;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Fills F32 and I64. */
public final class FillKernel implements Kernel {
  private static final int CHUNK = 32768;

  private final long count;
  private final boolean wide;
  private final long bits;
  private final Workers.Task<Operands> task = this::fill;

  private FillKernel(long count, boolean wide, long bits) {
    this.count = count;
    this.wide = wide;
    this.bits = bits;
  }

  /** The kernel for {@code key}, or null when it is neither F32 nor I64. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!(key.op() instanceof Fill fill)) {
      return null;
    }
    long size = key.output().shape().size();
    return switch (key.dtype(0)) {
      case F32 -> new FillKernel(size, false, Float.floatToRawIntBits((float) fill.value()));
      case I64 -> new FillKernel(size, true, (long) fill.value());
      default -> null;
    };
  }

  @Override
  public void run(Operands operands) {
    int chunks = Math.toIntExact((count + CHUNK - 1) / CHUNK);
    Workers.shared().run(task, operands, chunks);
  }

  private void fill(Operands operands, int chunk) {
    long first = (long) chunk * CHUNK;
    long n = Math.min(CHUNK, count - first);
    if (wide) {
      long to = operands.address(0) + 8 * first;
      for (long i = 0; i < n; i++) {
        Raw.putLong(to + 8 * i, bits);
      }
      return;
    }
    long to = operands.address(0) + 4 * first;
    int value = (int) bits;
    for (long i = 0; i < n; i++) {
      Raw.putInt(to + 4 * i, value);
    }
  }

  @Override
  public String name() {
    return wide ? "fill_i64" : "fill_f32";
  }
}
