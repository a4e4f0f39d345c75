package io.quern.backend;

/**
 * Memory of one device. Owned by whoever allocated it; {@link #release} gives it back at once and
 * must not be called while a kernel uses it.
 */
public abstract class Buffer {
  /** For backends. */
  protected Buffer() {}

  /** Usable size in bytes. */
  public abstract long byteSize();

  /** Address on the device, or the backend's handle where there are no addresses. */
  public abstract long address();

  /** Gives the memory back to the device's allocator. Called once. */
  public abstract void release();
}
