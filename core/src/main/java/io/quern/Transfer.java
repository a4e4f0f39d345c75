package io.quern;

import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Copies between devices. Memory of the process is used in place; devices that do not reach each
 * other meet in a buffer.
 */
final class Transfer {
  private static final long STAGE = 1 << 22;

  private Transfer() {}

  /** A copy of {@code source}, which is contiguous, on another device. */
  static Tensor to(Device device, Tensor source) {
    source.hold("to");
    Tensor result = null;
    boolean done = false;
    try {
      result = Tensor.allocate(device, source.spec());
      copy(source, result);
      done = true;
      return result;
    } finally {
      source.unhold();
      if (!done && result != null) {
        result.close("a copy that failed");
      }
    }
  }

  private static void copy(Tensor source, Tensor target) {
    DeviceContext from = source.device().context();
    DeviceContext to = target.device().context();
    Buffer read = source.storage().buffer();
    Buffer written = target.storage().buffer();
    long offset = source.dtype().byteSize(source.layout().offset());
    long bytes = source.spec().byteSize();
    if (from.isHostMemory()) {
      to.upload(Raw.ALL.asSlice(read.address() + offset, bytes), written, 0);
    } else if (to.isHostMemory()) {
      from.download(read, offset, Raw.ALL.asSlice(written.address(), bytes));
    } else if (bytes > 0 && !to.copyFrom(from, read, offset, written, bytes)) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment stage = arena.allocate(Math.min(bytes, STAGE), 64);
        for (long at = 0; at < bytes; at += STAGE) {
          MemorySegment part = stage.asSlice(0, Math.min(STAGE, bytes - at));
          from.download(read, offset + at, part);
          to.upload(part, written, at);
        }
      }
    }
  }
}
