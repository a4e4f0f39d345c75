package io.quern.runtime;

/** Where memory for a while comes from. Thread-safe. */
public interface Blocks {
  /**
   * At least {@code bytes} bytes of memory with undefined content.
   *
   * @throws OutOfMemoryError if there is not so much; the message has the figures
   */
  MemoryPool.Block allocate(long bytes);

  /** Gives a block back; a second call for the same block is an error. */
  void free(MemoryPool.Block block);
}
