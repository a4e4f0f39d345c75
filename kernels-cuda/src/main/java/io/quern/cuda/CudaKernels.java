package io.quern.cuda;

import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.KernelTable;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Epilogue;
import io.quern.op.Fill;
import io.quern.op.Fused;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Reduce;
import io.quern.op.Unary;
import io.quern.op.Where;
import org.jspecify.annotations.Nullable;

/** The algorithms of a GPU, one line each. */
final class CudaKernels {
  private final CudaContext context;
  private final KernelTable table = new KernelTable();

  private CudaKernels(CudaContext context) {
    this.context = context;
  }

  /** Makes kernels of one algorithm for a device. */
  private interface Factory {
    @Nullable Kernel create(CudaContext context, KernelKey key);
  }

  private CudaKernels add(Class<? extends Op> op, String name, Factory factory) {
    table.add(op, name, key -> factory.create(context, key));
    return this;
  }

  static KernelTable table(CudaContext context) {
    return new CudaKernels(context)
        .add(Unary.class, "chain_f32", ChainKernels::unary)
        .add(Binary.class, "chain_f32", ChainKernels::binary)
        .add(Fused.class, "chain_f32", ChainKernels::fused)
        .add(Unary.class, "sin_f32, cos_f32", ElementwiseKernels::unary)
        .add(Binary.class, "pow_f32", ElementwiseKernels::binary)
        .add(Compare.class, "compare_f32", ElementwiseKernels::compare)
        .add(Where.class, "where", ElementwiseKernels::where)
        .add(Cast.class, "cast", ElementwiseKernels::cast)
        .add(Fill.class, "fill", ElementwiseKernels::fill)
        .add(Reduce.class, "reduce_f32", ReduceKernels::create)
        .add(MatMul.class, "matmul", MatMulKernels::create)
        .add(Conv2d.class, "conv2d_f32", ConvKernels::create)
        .add(Epilogue.class, "conv2d_f32", ConvKernels::create)
        .add(Conv2dInputGrad.class, "conv2d_input_grad_f32", ConvKernels::create)
        .add(Conv2dWeightGrad.class, "conv2d_weight_grad_f32", ConvKernels::create)
        .add(Pool2d.class, "pool2d_f32", PoolKernels::forward)
        .add(Pool2dGrad.class, "pool2d_grad_f32", PoolKernels::grad)
        .table;
  }
}
