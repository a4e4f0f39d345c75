package io.quern.backend;

import org.jspecify.annotations.Nullable;

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

  /**
   * How to compute the same, to the last bit, from an input that was brought into another form
   * before; null where there is no such form. Plans use it for inputs that stay the same over many
   * runs, such as weights.
   */
  default @Nullable Prepared prepared() {
    return null;
  }

  /**
   * A kernel and the form in which it reads one input.
   *
   * @param input index of the input
   * @param bytes size of the prepared form
   * @param packer makes it: its operands are the input and the prepared form; packers that are
   *     equal write the same bits
   * @param kernel reads it instead of the input
   */
  record Prepared(int input, long bytes, Kernel packer, Kernel kernel) {}

  /** Name of the algorithm, such as {@code gemm_f32_6x2v}. */
  String name();
}
