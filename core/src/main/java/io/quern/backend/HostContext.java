package io.quern.backend;

import java.lang.foreign.MemorySegment;

/** A device that computes in the process' own memory. */
public interface HostContext extends DeviceContext {
  @Override
  default Buffer allocate(long bytes) {
    return HostBuffer.allocate(bytes);
  }

  @Override
  default void upload(MemorySegment from, Buffer to, long byteOffset) {
    HostBuffer.upload(from, to, byteOffset);
  }

  @Override
  default void download(Buffer from, long byteOffset, MemorySegment to) {
    HostBuffer.download(from, byteOffset, to);
  }

  @Override
  default boolean isHostMemory() {
    return true;
  }
}
