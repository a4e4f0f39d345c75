package io.quern.cpu.index;

import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Concat;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/** Concat of contiguous tensors of any dtype, piece by piece. */
public final class ConcatKernel implements Kernel {
  private final long outer;
  private final long[] pieceBytes;

  private ConcatKernel(KernelKey key, int axis) {
    Shape output = key.output().shape();
    int at = output.axis(axis);
    this.outer = output.slice(0, at).size();
    this.pieceBytes = new long[key.inputs()];
    for (int i = 0; i < pieceBytes.length; i++) {
      Shape shape = key.shape(i);
      pieceBytes[i] = key.dtype(i).byteSize(shape.slice(at, shape.rank()).size());
    }
  }

  /** The kernel for {@code key}, or null when an input is not contiguous. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.isContiguous() && key.op() instanceof Concat(int axis)
        ? new ConcatKernel(key, axis)
        : null;
  }

  @Override
  public void run(Operands operands) {
    long to = operands.address(pieceBytes.length);
    for (long i = 0; i < outer; i++) {
      for (int input = 0; input < pieceBytes.length; input++) {
        Raw.copy(operands.address(input) + i * pieceBytes[input], to, pieceBytes[input]);
        to += pieceBytes[input];
      }
    }
  }

  @Override
  public String name() {
    return "concat";
  }
}
