package io.quern.cpu;

import io.quern.backend.KernelTable;
import io.quern.cpu.gemm.MatMulKernel;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.MatMul;

/** The CPU's algorithms, one line each. */
final class CpuKernels {
  private CpuKernels() {}

  static KernelTable table() {
    return new KernelTable()
        .add(MatMul.class, MicroKernel.chosen().name(), MatMulKernel::create);
  }
}
