package io.quern.cpu.pool;

/** A way to pool planes of an image. Immutable and thread-safe. */
interface PlanePool {
  /** Bytes of scratch memory for {@link #planes}. */
  default long scratchBytes() {
    return 0;
  }

  /** Prepares scratch memory for any number of planes. */
  default void prepare(long scratch) {}

  /** Pools the plane at an address to another. */
  void plane(long from, long to, long scratch);

  /**
   * Pools some planes.
   *
   * @param fromPlane bytes from a plane of the image to the next
   * @param toPlane bytes from a plane of the result to the next
   */
  default void planes(long from, long fromPlane, long planes, long to, long toPlane, long scratch) {
    for (long i = 0; i < planes; i++) {
      plane(from + i * fromPlane, to + i * toPlane, scratch);
    }
  }

  /** Waits until its loops are compiled. */
  default boolean warmUp() {
    return true;
  }
}
