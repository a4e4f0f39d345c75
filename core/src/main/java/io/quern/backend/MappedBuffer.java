package io.quern.backend;

import java.lang.foreign.MemorySegment;

/**
 * A buffer in memory that somebody else owns, such as a mapped file. The memory stays as long as
 * the buffer is reachable; nobody may write to it.
 */
public final class MappedBuffer extends Buffer {
  private final MemorySegment memory;

  /**
   * A buffer that is {@code memory}.
   *
   * @throws IllegalArgumentException if it lies on the Java heap
   */
  public MappedBuffer(MemorySegment memory) {
    if (!memory.isNative()) {
      throw new IllegalArgumentException("buffer: memory of the Java heap has no address");
    }
    this.memory = memory;
  }

  @Override
  public long byteSize() {
    return memory.byteSize();
  }

  @Override
  public long address() {
    return memory.address();
  }

  /** Does nothing: the owner releases it. */
  @Override
  public void release() {}
}
