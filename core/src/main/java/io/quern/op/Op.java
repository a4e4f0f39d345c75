package io.quern.op;

import java.util.List;

/**
 * An operation on tensors, as data: what is computed, without how. The arguments that are not
 * tensors are the components of the record; the tensors are passed beside it.
 *
 * <p>The hierarchy is sealed, so a {@code switch} over it that misses an op does not compile.
 */
public sealed interface Op
    permits View,
        Unary,
        Binary,
        Compare,
        Where,
        Cast,
        Fill,
        Iota,
        Random,
        Reduce,
        ArgReduce,
        MatMul,
        Conv2d,
        Conv2dInputGrad,
        Conv2dWeightGrad,
        Pool2d,
        Pool2dGrad,
        Gather,
        GatherGrad,
        TakeAlong,
        TakeAlongGrad,
        Concat,
        Pad,
        CumSum,
        Sort,
        TopK,
        AttentionGrad,
        NormGrad,
        SgdStep,
        AdamStep,
        Composite {

  /**
   * The shape rule: checks the inputs and gives the outputs.
   *
   * @throws IllegalArgumentException if the inputs do not fit; the message starts with the op and
   *     names what was found and what was expected
   */
  List<TensorSpec> infer(List<TensorSpec> inputs);

  /** Name of the op in messages and listings, such as {@code matmul}. */
  String name();
}
