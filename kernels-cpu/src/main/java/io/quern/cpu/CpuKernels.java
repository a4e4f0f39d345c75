package io.quern.cpu;

import io.quern.backend.KernelTable;
import io.quern.cpu.attention.AttentionGradKernel;
import io.quern.cpu.attention.AttentionKernel;
import io.quern.cpu.conv.BrainConvKernel;
import io.quern.cpu.conv.BrainConvWeightGrad;
import io.quern.cpu.conv.ConvForward;
import io.quern.cpu.conv.ConvInputGrad;
import io.quern.cpu.conv.ConvWeightGrad;
import io.quern.cpu.conv.DepthwiseConv;
import io.quern.cpu.conv.DepthwiseWeightGrad;
import io.quern.cpu.conv.QuantizedConvKernel;
import io.quern.cpu.elementwise.ElementwiseKernel;
import io.quern.cpu.elementwise.FillKernel;
import io.quern.cpu.elementwise.QuantizedAddKernel;
import io.quern.cpu.elementwise.RandomKernel;
import io.quern.cpu.fused.FusedKernel;
import io.quern.cpu.gemm.BlockMatMulKernel;
import io.quern.cpu.gemm.BrainMatMulKernel;
import io.quern.cpu.gemm.IntegerMatMulKernel;
import io.quern.cpu.gemm.MatMulF64Kernel;
import io.quern.cpu.gemm.MatMulKernel;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.index.ConcatKernel;
import io.quern.cpu.index.GatherKernel;
import io.quern.cpu.index.PadKernel;
import io.quern.cpu.index.TakeKernel;
import io.quern.cpu.optim.StepKernel;
import io.quern.cpu.pool.BytePoolKernel;
import io.quern.cpu.pool.PoolGradKernel;
import io.quern.cpu.pool.PoolKernel;
import io.quern.cpu.reduce.ArgReduceKernel;
import io.quern.cpu.reduce.ReduceKernel;
import io.quern.cpu.rows.NormGradKernel;
import io.quern.cpu.rows.RowKernel;
import io.quern.cpu.scan.CumSumKernel;
import io.quern.cpu.scan.OrderKernel;
import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Binary;
import io.quern.op.BlockMatMul;
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
import io.quern.op.FusedReduce;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.GroupNorm;
import io.quern.op.IntegerMatMul;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
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

/** The CPU's algorithms, one line each. */
final class CpuKernels {
  private CpuKernels() {}

  static KernelTable table() {
    String gemm = MicroKernel.chosen().name();
    return new KernelTable()
        .add(MatMul.class, gemm, MatMulKernel::create)
        .add(MatMul.class, "gemm_f64", MatMulF64Kernel::create)
        .add(MatMul.class, "gemm_bf16_asm", BrainMatMulKernel::create)
        .add(BlockMatMul.class, "block_matmul", BlockMatMulKernel::create)
        .add(IntegerMatMul.class, "gemm_u8i8_asm", IntegerMatMulKernel::create)
        .add(QuantizedConv2d.class, "quantized_conv2d_u8i8_asm", QuantizedConvKernel::create)
        .add(Epilogue.class, gemm + "_epilogue", MatMulKernel::withEpilogue)
        .add(Conv2d.class, "conv2d_depthwise_f32", DepthwiseConv::forward)
        .add(Epilogue.class, "conv2d_depthwise_f32_epilogue", DepthwiseConv::withEpilogue)
        .add(Conv2dInputGrad.class, "conv2d_input_grad_depthwise_f32", DepthwiseConv::inputGrad)
        .add(
            Conv2dWeightGrad.class, "conv2d_weight_grad_depthwise_f32", DepthwiseWeightGrad::create)
        .add(Conv2d.class, "conv2d_" + gemm, ConvForward::create)
        .add(Epilogue.class, "conv2d_" + gemm + "_epilogue", ConvForward::withEpilogue)
        .add(Conv2dInputGrad.class, "conv2d_input_grad_" + gemm, ConvInputGrad::create)
        .add(Conv2dWeightGrad.class, "conv2d_weight_grad_" + gemm, ConvWeightGrad::create)
        .add(Conv2d.class, "conv2d_bf16_asm", BrainConvKernel::create)
        .add(Epilogue.class, "conv2d_bf16_asm_relu", BrainConvKernel::withEpilogue)
        .add(Conv2dInputGrad.class, "conv2d_input_grad_bf16_asm", BrainConvKernel::inputGrad)
        .add(Conv2dWeightGrad.class, "conv2d_weight_grad_bf16_asm", BrainConvWeightGrad::create)
        .add(Unary.class, "unary_f32", FusedKernel::unary)
        .add(Binary.class, "binary_f32", FusedKernel::binary)
        .add(Fused.class, "fused_f32", FusedKernel::create)
        .add(QuantizedAdd.class, "quantized_add_asm", QuantizedAddKernel::create)
        .add(Compare.class, "compare_f32", ElementwiseKernel::compare)
        .add(Where.class, "where_f32", ElementwiseKernel::where)
        .add(Cast.class, "cast", ElementwiseKernel::cast)
        .add(Fill.class, "fill_f32", FillKernel::create)
        .add(Random.class, "random_f32", RandomKernel::create)
        .add(Reduce.class, "reduce_f32", ReduceKernel::create)
        .add(FusedReduce.class, "fused_reduce_f32", ReduceKernel::ofChain)
        .add(ArgReduce.class, "argreduce_f32", ArgReduceKernel::create)
        .add(Softmax.class, "softmax_f32_row", RowKernel::softmax)
        .add(LogSoftmax.class, "log_softmax_f32_row", RowKernel::logSoftmax)
        .add(SoftmaxGrad.class, "softmax_grad_f32_row", RowKernel::softmaxGrad)
        .add(LayerNorm.class, "layer_norm_f32_row", RowKernel::layerNorm)
        .add(Attention.class, "attention_f32_flash", AttentionKernel::create)
        .add(AttentionGrad.class, "attention_grad_f32_flash", AttentionGradKernel::create)
        .add(RmsNorm.class, "rms_norm_f32_row", RowKernel::rmsNorm)
        .add(GroupNorm.class, "group_norm_f32_row", RowKernel::groupNorm)
        .add(NormGrad.class, "norm_grad_f32_row", NormGradKernel::create)
        .add(CumSum.class, "cum_sum_f32", CumSumKernel::create)
        .add(Sort.class, "sort_f32_radix", OrderKernel::sort)
        .add(TopK.class, "top_k_f32", OrderKernel::topK)
        .add(Pool2d.class, "pool2d_f32", PoolKernel::create)
        .add(Pool2d.class, "max_pool2d_u8", BytePoolKernel::create)
        .add(Pool2dGrad.class, "pool2d_grad_f32", PoolGradKernel::create)
        .add(Gather.class, "gather", GatherKernel::forward)
        .add(GatherGrad.class, "gather_grad_f32", GatherKernel::gradient)
        .add(TakeAlong.class, "take_along_f32", TakeKernel::forward)
        .add(TakeAlongGrad.class, "take_along_grad_f32", TakeKernel::gradient)
        .add(Concat.class, "concat", ConcatKernel::create)
        .add(Pad.class, "pad_f32", PadKernel::create)
        .add(SgdStep.class, "sgd_f32", StepKernel::sgd)
        .add(AdamStep.class, "adam_f32", StepKernel::adam);
  }
}
