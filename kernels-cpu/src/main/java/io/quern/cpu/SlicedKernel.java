package io.quern.cpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.KernelTable;
import io.quern.backend.Operands;
import io.quern.backend.WidenedKernel;
import io.quern.op.Binary;
import io.quern.op.Compare;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Epilogue;
import io.quern.op.Fused;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Unary;
import io.quern.op.Where;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A kernel of narrow floats for some elements of the first dimension at a time, whose widened
 * operands stay in the second-level cache, see {@link WidenedKernel}: for ops that compute them
 * apart. Immutable and thread-safe.
 */
final class SlicedKernel implements Kernel {
  /** Bytes of the widened operands of a slice. */
  private static final double SLICE_BYTES = 1 << 18;

  /** Bytes of what is widened for each slice anew, such as weights. */
  private static final double SHARED_BYTES = 1 << 14;

  /**
   * The part of those bytes that slices must have, where rows are not divided by a larger number.
   */
  private static final int LEAST_PART = 4;

  private final Kernel kernel;
  private final int slices;

  /** Bytes from a slice to the next, 0 for operands that all slices share. */
  private final long[] steps;

  private final Spare<Call> calls;
  private final Workers.Task<Operands> task = this::slice;

  private SlicedKernel(Kernel kernel, int slices, long[] steps) {
    this.kernel = kernel;
    this.slices = slices;
    this.steps = steps;
    this.calls = new Spare<>(() -> new Call(steps.length));
  }

  /** The kernel, where slices are worth it and the table has one for the same op on F32. */
  static Optional<Kernel> find(KernelKey key, KernelTable table) {
    Shape shape = key.output().shape();
    if (shape.rank() < 2 || shape.size() == 0 || !isSliceable(key)) {
      return Optional.empty();
    }
    double shared = widenedBytes(key, false);
    if (shared > SHARED_BYTES) {
      return Optional.empty();
    }
    long rows = shape.dim(0);
    double bytes = shared + widenedBytes(key, true);
    long most = Math.max(1, (long) (rows * SLICE_BYTES / bytes));
    long perSlice = Math.min(rows, most);
    while (rows % perSlice != 0) {
      perSlice--;
    }
    boolean isWorthIt = perSlice < rows && perSlice >= most / LEAST_PART;
    if (!isWorthIt || rows / perSlice > Integer.MAX_VALUE) {
      return Optional.empty();
    }
    int slices = Math.toIntExact(rows / perSlice);
    long[] steps = new long[key.operands()];
    return WidenedKernel.find(slice(key, perSlice, steps), table, HostMemory.shared())
        .map(kernel -> new SlicedKernel(kernel, slices, steps));
  }

  /** Bytes of the operands that are sliced, or of those that are not. */
  private static double widenedBytes(KernelKey key, boolean sliced) {
    double bytes = 0;
    for (int i = 0; i < key.operands(); i++) {
      bytes += isSliced(key, i) == sliced ? 4.0 * key.shape(i).size() : 0;
    }
    return bytes;
  }

  private static boolean isSliceable(KernelKey key) {
    if (!key.isContiguous()) {
      return false;
    }
    return switch (key.op()) {
      case Unary _, Binary _, Compare _, Where _, Fused _, Pool2d _, Pool2dGrad _ -> true;
      case Conv2d _, Conv2dInputGrad _ -> true;
      case Epilogue(Op op, _, _) -> op instanceof Conv2d;
      default -> false;
    };
  }

  /** The key of one slice; fills in the steps. */
  private static KernelKey slice(KernelKey key, long perSlice, long[] steps) {
    DType[] dtypes = new DType[key.operands()];
    Layout[] layouts = new Layout[key.operands()];
    for (int i = 0; i < dtypes.length; i++) {
      Shape shape = key.shape(i);
      dtypes[i] = key.dtype(i);
      layouts[i] = key.layout(i);
      if (isSliced(key, i)) {
        Shape rest = shape.slice(1, shape.rank());
        layouts[i] = Layout.contiguous(Shape.of(perSlice).concat(rest));
        steps[i] = dtypes[i].bytes() * perSlice * rest.size();
      }
    }
    return new KernelKey(slice(key.op(), perSlice), dtypes, layouts, key.inputs());
  }

  /** Weights and biases are shared, and what is broadcast along the first dimension. */
  private static boolean isSliced(KernelKey key, int operand) {
    if (operand >= key.inputs()) {
      return true;
    }
    boolean isShared =
        switch (key.op()) {
          case Conv2d _ -> operand > 0;
          case Conv2dInputGrad _ -> operand == 0;
          case Epilogue(_, int operands, _) -> operand > 0 && operand < operands;
          default -> false;
        };
    Shape shape = key.shape(operand);
    Shape output = key.output().shape();
    return !isShared && shape.rank() == output.rank() && shape.dim(0) == output.dim(0);
  }

  private static Op slice(Op op, long perSlice) {
    if (!(op instanceof Conv2dInputGrad grad)) {
      return op;
    }
    Shape rest = grad.inputShape().slice(1, grad.inputShape().rank());
    return new Conv2dInputGrad(grad.window(), grad.groups(), Shape.of(perSlice).concat(rest));
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, slices);
  }

  private void slice(Operands operands, int slice) {
    Call call = calls.take();
    for (int i = 0; i < steps.length; i++) {
      call.buffers[i] = operands.buffer(i);
      call.offsets[i] = operands.byteOffset(i) + slice * steps[i];
    }
    kernel.run(call.operands);
    for (int i = 0; i < steps.length; i++) {
      call.buffers[i] = null;
    }
    calls.give(call);
  }

  @Override
  public boolean warmUp() {
    return kernel.warmUp();
  }

  @Override
  public String name() {
    return kernel.name() + "_sliced";
  }

  /** The operands of one slice. */
  private static final class Call {
    private final @Nullable Buffer[] buffers;
    private final long[] offsets;
    private final Operands operands;

    @SuppressWarnings("NullAway") // filled in before a kernel runs
    Call(int count) {
      buffers = new Buffer[count];
      offsets = new long[count];
      operands = new Operands(buffers, offsets);
    }
  }
}
