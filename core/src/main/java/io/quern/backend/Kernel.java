package io.quern.backend;

/**
 * An op on certain dtypes and layouts, ready to run on one device. Everything that follows from the
 * layouts is worked out when the kernel is made. Immutable and thread-safe.
 */
public interface Kernel {
  /** Computes the outputs; they may be the same memory as inputs where the op says so. */
  void run(Operands operands);

  /**
   * Waits until the kernel is as fast as it will be, where that is made in the background.
   *
   * @return false when a slower way stays in use
   */
  default boolean warmUp() {
    return true;
  }

  /** Name of the algorithm, such as {@code gemm_f32_6x2v}. */
  String name();
}
