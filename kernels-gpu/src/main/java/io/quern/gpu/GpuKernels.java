package io.quern.gpu;

import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.KernelTable;
import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Concat;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.CumSum;
import io.quern.op.Epilogue;
import io.quern.op.Fill;
import io.quern.op.Fused;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.GroupNorm;
import io.quern.op.Iota;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Random;
import io.quern.op.Reduce;
import io.quern.op.RmsNorm;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import io.quern.op.Sort;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.op.TopK;
import io.quern.op.Unary;
import io.quern.op.Where;
import org.jspecify.annotations.Nullable;

/** The algorithms that all GPUs have, one line each. */
final class GpuKernels {
  private final KernelTable table;
  private final GpuContext context;

  private GpuKernels(KernelTable table, GpuContext context) {
    this.table = table;
    this.context = context;
  }

  /** Makes kernels of one algorithm for a device. */
  private interface Factory {
    @Nullable Kernel create(GpuContext context, KernelKey key);
  }

  private GpuKernels add(Class<? extends Op> op, String name, Factory factory) {
    context.add(table, op, name, key -> factory.create(context, key));
    return this;
  }

  static void addTo(KernelTable table, GpuContext context) {
    new GpuKernels(table, context)
        .add(Unary.class, "chain", ChainKernels::unary)
        .add(Binary.class, "chain", ChainKernels::binary)
        .add(Fused.class, "chain", ChainKernels::fused)
        .add(Unary.class, "elementwise", ElementwiseKernels::named)
        .add(Binary.class, "elementwise", ElementwiseKernels::named)
        .add(Compare.class, "elementwise", ElementwiseKernels::named)
        .add(Where.class, "where", ElementwiseKernels::where)
        .add(Cast.class, "chain", ChainKernels::cast)
        .add(Cast.class, "cast", ElementwiseKernels::cast)
        .add(Fill.class, "fill", ElementwiseKernels::fill)
        .add(Iota.class, "iota", RandomKernels::iota)
        .add(Random.class, "random_f32", RandomKernels::random)
        .add(Reduce.class, "reduce_f32", ReduceKernels::reduce)
        .add(ArgReduce.class, "arg_reduce_f32", ReduceKernels::argReduce)
        .add(Softmax.class, "softmax", RowKernels::softmax)
        .add(LogSoftmax.class, "log_softmax", RowKernels::logSoftmax)
        .add(SoftmaxGrad.class, "softmax_grad_f32", RowKernels::softmaxGrad)
        .add(LayerNorm.class, "layer_norm", RowKernels::layerNorm)
        .add(RmsNorm.class, "rms_norm", RowKernels::rmsNorm)
        .add(GroupNorm.class, "group_norm_f32", RowKernels::groupNorm)
        .add(NormGrad.class, "norm_grad_f32", RowKernels::normGrad)
        .add(SgdStep.class, "sgd_f32", OptimKernels::sgd)
        .add(AdamStep.class, "adam_f32", OptimKernels::adam)
        .add(MatMul.class, "matmul", MatMulKernels::create)
        .add(Gather.class, "gather", IndexKernels::gather)
        .add(GatherGrad.class, "gather_grad_f32", IndexKernels::gatherGrad)
        .add(TakeAlong.class, "take_along", IndexKernels::takeAlong)
        .add(TakeAlongGrad.class, "take_along_grad_f32", IndexKernels::takeAlongGrad)
        .add(Concat.class, "copy_rows", IndexKernels::concat)
        .add(Pad.class, "pad_f32", IndexKernels::pad)
        .add(CumSum.class, "cum_sum_f32", ScanKernels::cumSum)
        .add(Sort.class, "order_f32", ScanKernels::sort)
        .add(TopK.class, "order_f32", ScanKernels::topK)
        .add(Attention.class, "attention_f32", AttentionKernels::forward)
        .add(AttentionGrad.class, "attention_grad_f32", AttentionKernels::gradient)
        .add(Conv2d.class, "conv2d_f32", ConvKernels::create)
        .add(Epilogue.class, "conv2d_f32", ConvKernels::create)
        .add(Conv2dInputGrad.class, "conv2d_input_grad_f32", ConvKernels::create)
        .add(Conv2dWeightGrad.class, "conv2d_weight_grad_f32", ConvKernels::create)
        .add(Pool2d.class, "pool2d_f32", PoolKernels::forward)
        .add(Pool2dGrad.class, "pool2d_grad_f32", PoolKernels::grad);
  }
}
