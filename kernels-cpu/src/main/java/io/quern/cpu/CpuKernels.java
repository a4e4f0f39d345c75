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
import io.quern.op.PooledConv2d;
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

/**
 * The CPU's algorithms, one line each, in groups that are registered when they are needed. Lambdas
 * and not references to methods, which would load all classes of a group.
 */
final class CpuKernels {
  private CpuKernels() {}

  static KernelTable table() {
    return new KernelTable()
        .later(CpuKernels::products, MatMul.class, BlockMatMul.class, IntegerMatMul.class)
        .later(
            CpuKernels::convolutions,
            Conv2d.class,
            Conv2dInputGrad.class,
            Conv2dWeightGrad.class,
            QuantizedConv2d.class,
            PooledConv2d.class)
        .later(CpuKernels::epilogues, Epilogue.class)
        .later(
            CpuKernels::elements,
            Unary.class,
            Binary.class,
            Fused.class,
            QuantizedAdd.class,
            Compare.class,
            Where.class,
            Cast.class,
            Fill.class,
            Random.class)
        .later(
            CpuKernels::reductions,
            Reduce.class,
            FusedReduce.class,
            ArgReduce.class,
            CumSum.class,
            Sort.class,
            TopK.class)
        .later(
            CpuKernels::rows,
            Softmax.class,
            LogSoftmax.class,
            SoftmaxGrad.class,
            LayerNorm.class,
            RmsNorm.class,
            GroupNorm.class,
            NormGrad.class)
        .later(CpuKernels::attention, Attention.class, AttentionGrad.class)
        .later(CpuKernels::pools, Pool2d.class, Pool2dGrad.class)
        .later(
            CpuKernels::indexes,
            Gather.class,
            GatherGrad.class,
            TakeAlong.class,
            TakeAlongGrad.class,
            Concat.class,
            Pad.class)
        .later(CpuKernels::optimizers, SgdStep.class, AdamStep.class);
  }

  private static String gemm() {
    return MicroKernel.chosen().name();
  }

  private static void products(KernelTable table) {
    String gemm = gemm();
    table
        .add(MatMul.class, gemm, key -> MatMulKernel.create(key))
        .add(MatMul.class, "gemm_f64", key -> MatMulF64Kernel.create(key))
        .add(MatMul.class, "gemm_bf16_asm", key -> BrainMatMulKernel.create(key))
        .add(BlockMatMul.class, "block_matmul", key -> BlockMatMulKernel.create(key))
        .add(IntegerMatMul.class, "gemm_u8i8_asm", key -> IntegerMatMulKernel.create(key));
  }

  private static void convolutions(KernelTable table) {
    String gemm = gemm();
    table
        .add(
            QuantizedConv2d.class,
            "quantized_conv2d_u8i8_asm",
            key -> QuantizedConvKernel.create(key))
        .add(Conv2d.class, "conv2d_depthwise_f32", key -> DepthwiseConv.forward(key))
        .add(
            Conv2dInputGrad.class,
            "conv2d_input_grad_depthwise_f32",
            key -> DepthwiseConv.inputGrad(key))
        .add(
            Conv2dWeightGrad.class,
            "conv2d_weight_grad_depthwise_f32",
            key -> DepthwiseWeightGrad.create(key))
        .add(Conv2d.class, "conv2d_" + gemm, key -> ConvForward.create(key))
        .add(PooledConv2d.class, "conv2d_pooled_" + gemm, key -> ConvForward.pooled(key))
        .add(Conv2dInputGrad.class, "conv2d_input_grad_" + gemm, key -> ConvInputGrad.create(key))
        .add(
            Conv2dWeightGrad.class, "conv2d_weight_grad_" + gemm, key -> ConvWeightGrad.create(key))
        .add(Conv2d.class, "conv2d_bf16_asm", key -> BrainConvKernel.create(key))
        .add(
            Conv2dInputGrad.class,
            "conv2d_input_grad_bf16_asm",
            key -> BrainConvKernel.inputGrad(key))
        .add(
            Conv2dWeightGrad.class,
            "conv2d_weight_grad_bf16_asm",
            key -> BrainConvWeightGrad.create(key));
  }

  private static void epilogues(KernelTable table) {
    String gemm = gemm();
    table
        .add(Epilogue.class, gemm + "_epilogue", key -> MatMulKernel.withEpilogue(key))
        .add(
            Epilogue.class, "conv2d_depthwise_f32_epilogue", key -> DepthwiseConv.withEpilogue(key))
        .add(Epilogue.class, "conv2d_" + gemm + "_epilogue", key -> ConvForward.withEpilogue(key))
        .add(Epilogue.class, "conv2d_bf16_asm_relu", key -> BrainConvKernel.withEpilogue(key));
  }

  private static void elements(KernelTable table) {
    table
        .add(Unary.class, "unary_f32", key -> FusedKernel.unary(key))
        .add(Binary.class, "binary_f32", key -> FusedKernel.binary(key))
        .add(Fused.class, "fused_f32", key -> FusedKernel.create(key))
        .add(QuantizedAdd.class, "quantized_add_asm", key -> QuantizedAddKernel.create(key))
        .add(Compare.class, "compare_f32", key -> ElementwiseKernel.compare(key))
        .add(Where.class, "where_f32", key -> ElementwiseKernel.where(key))
        .add(Cast.class, "cast", key -> ElementwiseKernel.cast(key))
        .add(Fill.class, "fill_f32", key -> FillKernel.create(key))
        .add(Random.class, "random_f32", key -> RandomKernel.create(key));
  }

  private static void reductions(KernelTable table) {
    table
        .add(Reduce.class, "reduce_f32", key -> ReduceKernel.create(key))
        .add(FusedReduce.class, "fused_reduce_f32", key -> ReduceKernel.ofChain(key))
        .add(ArgReduce.class, "argreduce_f32", key -> ArgReduceKernel.create(key))
        .add(CumSum.class, "cum_sum_f32", key -> CumSumKernel.create(key))
        .add(Sort.class, "sort_f32_radix", key -> OrderKernel.sort(key))
        .add(TopK.class, "top_k_f32", key -> OrderKernel.topK(key));
  }

  private static void rows(KernelTable table) {
    table
        .add(Softmax.class, "softmax_f32_row", key -> RowKernel.softmax(key))
        .add(LogSoftmax.class, "log_softmax_f32_row", key -> RowKernel.logSoftmax(key))
        .add(SoftmaxGrad.class, "softmax_grad_f32_row", key -> RowKernel.softmaxGrad(key))
        .add(LayerNorm.class, "layer_norm_f32_row", key -> RowKernel.layerNorm(key))
        .add(RmsNorm.class, "rms_norm_f32_row", key -> RowKernel.rmsNorm(key))
        .add(GroupNorm.class, "group_norm_f32_row", key -> RowKernel.groupNorm(key))
        .add(NormGrad.class, "norm_grad_f32_row", key -> NormGradKernel.create(key));
  }

  private static void attention(KernelTable table) {
    table
        .add(Attention.class, "attention_f32_flash", key -> AttentionKernel.create(key))
        .add(
            AttentionGrad.class,
            "attention_grad_f32_flash",
            key -> AttentionGradKernel.create(key));
  }

  private static void pools(KernelTable table) {
    table
        .add(Pool2d.class, "pool2d_f32", key -> PoolKernel.create(key))
        .add(Pool2d.class, "max_pool2d_u8", key -> BytePoolKernel.create(key))
        .add(Pool2dGrad.class, "pool2d_grad_f32", key -> PoolGradKernel.create(key));
  }

  private static void indexes(KernelTable table) {
    table
        .add(Gather.class, "gather", key -> GatherKernel.forward(key))
        .add(GatherGrad.class, "gather_grad_f32", key -> GatherKernel.gradient(key))
        .add(TakeAlong.class, "take_along_f32", key -> TakeKernel.forward(key))
        .add(TakeAlongGrad.class, "take_along_grad_f32", key -> TakeKernel.gradient(key))
        .add(Concat.class, "concat", key -> ConcatKernel.create(key))
        .add(Pad.class, "pad_f32", key -> PadKernel.create(key));
  }

  private static void optimizers(KernelTable table) {
    table
        .add(SgdStep.class, "sgd_f32", key -> StepKernel.sgd(key))
        .add(AdamStep.class, "adam_f32", key -> StepKernel.adam(key));
  }
}
