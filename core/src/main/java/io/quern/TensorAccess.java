package io.quern;

import io.quern.backend.Buffer;
import io.quern.backend.KernelKey;
import io.quern.backend.MappedBuffer;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;

/** The memory behind tensors, for those who plan and run graphs. Applications do not need it. */
public final class TensorAccess {
  private TensorAccess() {}

  /** The buffer that a tensor shares with its views; its layout says where in it. */
  public static Buffer buffer(Tensor tensor) {
    return tensor.storage().buffer();
  }

  /**
   * Keeps a tensor's memory in place until {@link #unhold}.
   *
   * @throws IllegalStateException if it was closed; the message starts with {@code op}
   */
  public static void hold(Tensor tensor, String op) {
    tensor.hold(op);
  }

  /** Undoes one {@link #hold}. */
  public static void unhold(Tensor tensor) {
    tensor.unhold();
  }

  /** A contiguous tensor with undefined elements. */
  public static Tensor allocate(Device device, TensorSpec spec) {
    return Tensor.allocate(device, spec);
  }

  /** A contiguous tensor with undefined elements that no scope closes. */
  public static Tensor detached(Device device, TensorSpec spec) {
    Tensor tensor = Tensor.allocate(device, spec);
    try {
      return tensor.aliasOutsideScopes("allocate");
    } finally {
      tensor.close("the plan that made it");
    }
  }

  /** A contiguous tensor on a buffer that is not memory. */
  public static Tensor symbolic(Device device, TensorSpec spec, Buffer buffer) {
    return Tensor.on(device, spec, buffer);
  }

  /**
   * A contiguous tensor on the CPU whose elements are {@code memory} itself, such as a mapped file,
   * that no scope closes. The memory is not written to.
   */
  public static Tensor mapped(TensorSpec spec, MemorySegment memory) {
    Tensor tensor = Tensor.on(Device.cpu(), spec, new MappedBuffer(memory));
    try {
      return tensor.aliasOutsideScopes("map");
    } finally {
      tensor.close("its mapping");
    }
  }

  /** Whether a tensor has no elements yet, because the thread traces a function. */
  public static boolean isTraced(Tensor tensor) {
    return tensor.isTraced();
  }

  /** A tensor with another layout on the same memory. */
  public static Tensor view(Tensor tensor, Layout layout) {
    return tensor.alias("view", layout);
  }

  /** A tensor on the same memory that no scope closes. */
  public static Tensor share(Tensor tensor) {
    return tensor.aliasOutsideScopes("compile");
  }

  /** A number that changes whenever an op writes into the tensor's memory. */
  public static long version(Tensor tensor) {
    return tensor.storage().version();
  }

  /** Tells that the tensor's memory was written into. */
  public static void written(Tensor tensor) {
    tensor.storage().written();
  }

  /** Whether a device has a kernel for an op on tensors like these in row-major order. */
  public static boolean hasKernel(Device device, Op op, Tensor... inputs) {
    return hasKernel(device, op, Stream.of(inputs).map(Tensor::spec).toList());
  }

  /** Whether a device has a kernel for an op on such inputs in row-major order. */
  public static boolean hasKernel(Device device, Op op, List<TensorSpec> inputs) {
    KernelKey key =
        KernelKey.of(
            op,
            inputs.stream().map(TensorSpec::dtype).toArray(DType[]::new),
            inputs.stream().map(spec -> Layout.contiguous(spec.shape())).toArray(Layout[]::new),
            op.infer(inputs));
    return device.context().kernel(key).isPresent();
  }
}
