package io.quern.cpu;

import io.quern.backend.KernelTable;
import io.quern.cpu.conv.ConvForward;
import io.quern.cpu.conv.ConvInputGrad;
import io.quern.cpu.conv.ConvWeightGrad;
import io.quern.cpu.gemm.MatMulKernel;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.MatMul;

/** The CPU's algorithms, one line each. */
final class CpuKernels {
  private CpuKernels() {}

  static KernelTable table() {
    String gemm = MicroKernel.chosen().name();
    return new KernelTable()
        .add(MatMul.class, gemm, MatMulKernel::create)
        .add(Conv2d.class, "conv2d_" + gemm, ConvForward::create)
        .add(Conv2dInputGrad.class, "conv2d_input_grad_" + gemm, ConvInputGrad::create)
        .add(Conv2dWeightGrad.class, "conv2d_weight_grad_" + gemm, ConvWeightGrad::create);
  }
}
