package io.quern.cpu.index;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Pad;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/** Pad of contiguous floats: fills the output, then places row after row. */
public final class PadKernel implements Kernel {
  private final Shape input;
  private final long outputSize;
  private final float value;
  private final long[] stride;
  private final long start;

  private PadKernel(KernelKey key, Pad pad) {
    this.input = key.shape(0);
    this.outputSize = key.output().shape().size();
    this.value = (float) pad.value();
    this.stride = new long[input.rank()];
    long first = 0;
    for (int d = 0; d < stride.length; d++) {
      stride[d] = 4 * key.output().stride(d) * (pad.interior().get(d) + 1);
      first += 4 * key.output().stride(d) * pad.low().get(d);
    }
    this.start = first;
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32 of rank 1 or more. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && key.isContiguous()
            && key.shape(0).rank() > 0
            && key.op() instanceof Pad pad
        ? new PadKernel(key, pad)
        : null;
  }

  @Override
  public void run(Operands operands) {
    long to = operands.address(1);
    for (long i = 0; i < outputSize; i++) {
      Raw.putFloat(to + 4 * i, value);
    }
    if (input.size() > 0) {
      place(operands.address(0), to + start);
    }
  }

  private void place(long from, long to) {
    int last = input.rank() - 1;
    long columns = input.dim(last);
    long rows = input.size() / columns;
    for (long row = 0; row < rows; row++) {
      long target = to;
      long rest = row;
      for (int d = last - 1; d >= 0; d--) {
        target += rest % input.dim(d) * stride[d];
        rest /= input.dim(d);
      }
      for (long i = 0; i < columns; i++) {
        Raw.putFloat(target + i * stride[last], Raw.getFloat(from));
        from += 4;
      }
    }
  }

  @Override
  public String name() {
    return "pad_f32";
  }
}
