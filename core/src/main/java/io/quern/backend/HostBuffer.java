package io.quern.backend;

import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.lang.foreign.MemorySegment;

/** A buffer in the process' memory. */
public final class HostBuffer extends Buffer {
  private final MemoryPool.Block block;

  private HostBuffer(MemoryPool.Block block) {
    this.block = block;
  }

  /** A buffer from the shared pool. */
  public static HostBuffer allocate(long bytes) {
    return new HostBuffer(HostMemory.shared().allocate(bytes));
  }

  @Override
  public long byteSize() {
    return block.bytes();
  }

  @Override
  public long address() {
    return block.address();
  }

  @Override
  public void release() {
    HostMemory.shared().free(block);
  }

  /** {@link DeviceContext#upload} for host memory. */
  public static void upload(MemorySegment from, Buffer to, long byteOffset) {
    Raw.copy(from, 0, Raw.ALL, to.address() + byteOffset, from.byteSize());
  }

  /** {@link DeviceContext#download} for host memory. */
  public static void download(Buffer from, long byteOffset, MemorySegment to) {
    Raw.copy(Raw.ALL, from.address() + byteOffset, to, 0, to.byteSize());
  }
}
