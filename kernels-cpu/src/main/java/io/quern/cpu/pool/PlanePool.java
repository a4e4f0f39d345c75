package io.quern.cpu.pool;

/** A way to pool planes of an image. Immutable and thread-safe. */
interface PlanePool {
  /** Bytes of scratch memory for {@link #pool}. */
  default long scratchBytes() {
    return 0;
  }

  /** Prepares scratch memory for any number of planes. */
  default void prepare(long scratch) {}

  /** Pools planes that follow each other in memory. */
  void pool(long from, int planes, long to, long scratch);

  /** Waits until its loops are compiled. */
  default boolean warmUp() {
    return true;
  }
}
