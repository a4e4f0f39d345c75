package io.quern.op;

import java.util.List;

/**
 * An op that other ops can express. A backend without a kernel for it runs the decomposition, and
 * its gradient follows from the decomposition unless there is a shorter rule.
 */
public sealed interface Composite extends Op
    permits Softmax,
        LogSoftmax,
        LayerNorm,
        Fused,
        FusedReduce,
        Epilogue,
        PooledConv2d,
        AttentionWeights,
        IntegerMatMul,
        QuantizedConv2d,
        QuantizedAdd,
        BlockMatMul,
        Attention,
        SoftmaxGrad,
        RmsNorm,
        GroupNorm,
        ConvTranspose2d,
        Conv3d {
  /** The op in terms of others. */
  <T> T decompose(OpBuilder<T> builder, List<T> inputs);
}
