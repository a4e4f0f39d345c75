package io.quern.cpu.index;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/** Gather of any contiguous data, slice by slice, and its gradient for floats. */
public final class GatherKernel implements Kernel {
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  private final IndexedAxis shape;
  private final long indexCount;
  private final long sliceBytes;
  private final boolean gradient;

  private GatherKernel(IndexedAxis shape, long indexCount, int bytes, boolean gradient) {
    this.shape = shape;
    this.indexCount = indexCount;
    this.sliceBytes = shape.inner() * bytes;
    this.gradient = gradient;
  }

  /** The kernel of a Gather, or null when it is not contiguous. */
  public static @Nullable Kernel forward(KernelKey key) {
    return key.isContiguous() && key.op() instanceof Gather(int axis)
        ? new GatherKernel(
            IndexedAxis.of(key, key.shape(0), axis, key.dtype(1)),
            key.shape(1).size(),
            key.dtype(0).bytes(),
            false)
        : null;
  }

  /** The kernel of a GatherGrad, or null when it is not contiguous F32. */
  public static @Nullable Kernel gradient(KernelKey key) {
    return key.isContiguous() && key.dtype(1) == DType.F32 && key.op() instanceof GatherGrad grad
        ? new GatherKernel(
            IndexedAxis.of(key, grad.dataShape(), grad.axis(), key.dtype(0)),
            key.shape(0).size(),
            4,
            true)
        : null;
  }

  @Override
  public void run(Operands operands) {
    if (gradient) {
      scatter(operands.address(0), operands.address(1), operands.address(2));
    } else {
      gather(operands.address(0), operands.address(1), operands.address(2));
    }
  }

  private void gather(long data, long indices, long to) {
    for (long outer = 0; outer < shape.outer(); outer++) {
      long base = data + outer * shape.size() * sliceBytes;
      for (long i = 0; i < indexCount; i++) {
        Raw.copy(base + shape.index(indices, i) * sliceBytes, to, sliceBytes);
        to += sliceBytes;
      }
    }
  }

  private void scatter(long indices, long gradients, long to) {
    Raw.zero(to, shape.outer() * shape.size() * sliceBytes);
    for (long outer = 0; outer < shape.outer(); outer++) {
      long base = to + outer * shape.size() * sliceBytes;
      for (long i = 0; i < indexCount; i++) {
        SUM.addRow(gradients, shape.inner(), base + shape.index(indices, i) * sliceBytes);
        gradients += sliceBytes;
      }
    }
  }

  @Override
  public String name() {
    return gradient ? "gather_grad_f32" : "gather";
  }
}
