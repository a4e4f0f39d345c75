package io.quern.cpu.gemm;

import io.quern.backend.Kernel;
import io.quern.backend.Operands;

/**
 * Brings a matrix of weights into the order in which a kernel reads it. Packers that are equal
 * write the same bits, so constant weights are packed once for all kernels that use them.
 * Thread-safe.
 */
public interface Packer extends Kernel {
  /** Bytes of the packed matrix. */
  long bytes();

  /**
   * Packs the matrix.
   *
   * @param call keeps the addresses for the tasks
   */
  void pack(Operands call, long from, long to);

  @Override
  default void run(Operands operands) {
    pack(operands, operands.address(0), operands.address(1));
  }
}
