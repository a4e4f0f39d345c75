package io.quern.op;

import io.quern.Shape;
import java.util.List;

/** How much there is to compute and to move, for reports. */
public final class Work {
  private Work() {}

  /** Bytes of all inputs and outputs, each element counted once. */
  public static long bytes(List<TensorSpec> inputs, List<TensorSpec> outputs) {
    long sum = 0;
    for (TensorSpec input : inputs) {
      sum += input.byteSize();
    }
    for (TensorSpec output : outputs) {
      sum += output.byteSize();
    }
    return sum;
  }

  /** Floating-point operations, counting one for a function such as exp. */
  public static long flops(Op op, List<TensorSpec> inputs, List<TensorSpec> outputs) {
    Shape output = outputs.getFirst().shape();
    return switch (op) {
      case View _ -> 0;
      case Cast _ -> 0;
      case Gather _ -> 0;
      case TakeAlong _ -> 0;
      case Concat _ -> 0;
      case Pad _ -> 0;
      case MatMul _ -> 2 * output.size() * inputs.getFirst().shape().dim(-1);
      case Conv2d _ -> convolution(output, inputs.get(1).shape());
      case Conv2dInputGrad _ -> convolution(inputs.get(1).shape(), inputs.getFirst().shape());
      case Conv2dWeightGrad _ -> convolution(inputs.get(1).shape(), output);
      case Conv3d _ -> convolution(output, inputs.get(1).shape());
      case QuantizedConv2d _ -> convolution(output, inputs.get(1).shape());
      case QuantizedAdd _ -> 6 * output.size();
      case ConvTranspose2d _ -> convolution(inputs.get(0).shape(), inputs.get(1).shape());
      case Pool2d pool -> output.size() * pool.window().kernelH() * pool.window().kernelW();
      case Pool2dGrad grad ->
          inputs.get(1).shape().size()
              * grad.pool().window().kernelH()
              * grad.pool().window().kernelW();
      case Softmax _ -> 5 * output.size();
      case LogSoftmax _ -> 5 * output.size();
      case LayerNorm _ -> 8 * output.size();
      case Epilogue epilogue ->
          flops(epilogue.product(), inputs.subList(0, epilogue.operands()), outputs)
              + epilogue.program().steps().size() * output.size();
      case PooledConv2d(Op conv, Pool2d pool) -> {
        List<TensorSpec> pooled = conv.infer(inputs);
        yield flops(conv, inputs, pooled) + flops(pool, pooled, outputs);
      }
      case Fused fused -> fused.program().steps().size() * output.size();
      case FusedReduce fused ->
          (fused.program().steps().size() + 1) * fused.folded(inputs).shape().size();
      case BlockMatMul _ -> 2 * output.size() * inputs.getFirst().shape().dim(-1);
      case IntegerMatMul _ -> 2 * output.size() * inputs.getFirst().shape().dim(-1);
      case AttentionWeights _ -> 2 * output.size() * inputs.getFirst().shape().dim(-1);
      case Attention _ ->
          2 * inputs.getFirst().shape().size() * inputs.get(1).shape().dim(-2)
              + 2 * output.size() * inputs.get(1).shape().dim(-2);
      case AttentionGrad _ ->
          6 * output.size() * inputs.get(1).shape().dim(-2)
              + 4 * inputs.get(4).shape().size() * inputs.get(1).shape().dim(-2);
      case SoftmaxGrad _ -> 4 * output.size();
      case RmsNorm _ -> 5 * output.size();
      case GroupNorm _ -> 8 * output.size();
      case NormGrad _ -> 16 * output.size();
      case SgdStep _ -> 6 * output.size();
      case AdamStep _ -> 14 * output.size();
      default -> Math.max(output.size(), inputs.isEmpty() ? 0 : inputs.getFirst().shape().size());
    };
  }

  /** A multiplication and an addition for each output element and each element of its filter. */
  private static long convolution(Shape output, Shape weight) {
    return 2 * output.size() * weight.slice(1, weight.rank()).size();
  }
}
