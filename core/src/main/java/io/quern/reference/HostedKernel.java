package io.quern.reference;

import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostBuffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.runtime.Raw;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * The reference kernel for operands in a device's memory, on copies of them in host memory. Slow,
 * and there for every op.
 */
public final class HostedKernel implements Kernel {
  private final KernelKey key;
  private final Kernel reference;
  private final DeviceContext device;

  private HostedKernel(KernelKey key, Kernel reference, DeviceContext device) {
    this.key = key;
    this.reference = reference;
    this.device = device;
  }

  /** The reference kernel as {@code device} can run it; empty for views and composites. */
  public static Optional<Kernel> find(KernelKey key, DeviceContext device) {
    Optional<Kernel> reference = ReferenceKernels.find(key);
    return device.isHostMemory()
        ? reference
        : reference.map(kernel -> new HostedKernel(key, kernel, device));
  }

  @Override
  public void run(Operands operands) {
    Buffer[] copies = new Buffer[key.operands()];
    long[] byteOffsets = new long[copies.length];
    try {
      for (int i = 0; i < copies.length; i++) {
        copies[i] = HostBuffer.allocate(bytes(i));
        byteOffsets[i] = -first(i);
        if (i < key.inputs()) {
          device.download(
              operands.buffer(i), operands.byteOffset(i) + first(i), content(i, copies));
        }
      }
      reference.run(new Operands(copies, byteOffsets));
      for (int i = key.inputs(); i < copies.length; i++) {
        device.upload(content(i, copies), operands.buffer(i), operands.byteOffset(i) + first(i));
      }
    } finally {
      for (Buffer copy : copies) {
        if (copy != null) {
          copy.release();
        }
      }
    }
  }

  private MemorySegment content(int operand, Buffer[] copies) {
    return Raw.ALL.asSlice(copies[operand].address(), bytes(operand));
  }

  /** Bytes from the first element of an operand to the lowest one, never positive. */
  private long first(int operand) {
    Layout layout = key.layout(operand);
    return key.dtype(operand).byteSize(layout.lowest() - layout.offset());
  }

  private long bytes(int operand) {
    return key.dtype(operand).byteSize(key.layout(operand).span());
  }

  @Override
  public String name() {
    return "reference_on_host";
  }
}
