package io.quern.cpu.index;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/** TakeAlong of contiguous floats and its gradient, element by element. */
public final class TakeKernel implements Kernel {
  private final IndexedAxis shape;
  private final long taken;
  private final boolean gradient;

  private TakeKernel(IndexedAxis shape, long taken, boolean gradient) {
    this.shape = shape;
    this.taken = taken;
    this.gradient = gradient;
  }

  /** The kernel of a TakeAlong, or null when it is not contiguous F32. */
  public static @Nullable Kernel forward(KernelKey key) {
    return key.isContiguous()
            && key.dtype(0) == DType.F32
            && key.op() instanceof TakeAlong(int axis)
        ? new TakeKernel(
            IndexedAxis.of(key, key.shape(0), axis, key.dtype(1)), key.shape(1).dim(axis), false)
        : null;
  }

  /** The kernel of a TakeAlongGrad, or null when it is not contiguous F32. */
  public static @Nullable Kernel gradient(KernelKey key) {
    return key.isContiguous() && key.dtype(1) == DType.F32 && key.op() instanceof TakeAlongGrad grad
        ? new TakeKernel(
            IndexedAxis.of(key, grad.dataShape(), grad.axis(), key.dtype(0)),
            key.shape(0).dim(grad.axis()),
            true)
        : null;
  }

  @Override
  public void run(Operands operands) {
    long data = operands.address(gradient ? 2 : 0);
    long indices = operands.address(gradient ? 0 : 1);
    long picked = operands.address(gradient ? 1 : 2);
    if (gradient) {
      Raw.zero(data, 4 * shape.outer() * shape.size() * shape.inner());
    }
    long element = 0;
    for (long outer = 0; outer < shape.outer(); outer++) {
      for (long i = 0; i < taken; i++) {
        for (long inner = 0; inner < shape.inner(); inner++) {
          long index = outer * shape.size() + shape.index(indices, element);
          long place = data + 4 * (index * shape.inner() + inner);
          if (gradient) {
            Raw.putFloat(place, Raw.getFloat(place) + Raw.getFloat(picked + 4 * element));
          } else {
            Raw.putFloat(picked + 4 * element, Raw.getFloat(place));
          }
          element++;
        }
      }
    }
  }

  @Override
  public String name() {
    return gradient ? "take_along_grad_f32" : "take_along_f32";
  }
}
