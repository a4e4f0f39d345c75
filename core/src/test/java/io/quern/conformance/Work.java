package io.quern.conformance;

import io.quern.Shape;
import io.quern.op.AdamStep;
import io.quern.op.Cast;
import io.quern.op.Concat;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Gather;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.TakeAlong;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import java.util.List;

/** How much there is to compute, for benchmarks. */
final class Work {
  private Work() {}

  static long flops(Op op, List<TensorSpec> inputs, List<TensorSpec> outputs) {
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
      case Pool2d pool -> output.size() * pool.window().kernelH() * pool.window().kernelW();
      case Pool2dGrad grad ->
          inputs.get(1).shape().size()
              * grad.pool().window().kernelH()
              * grad.pool().window().kernelW();
      case Softmax _ -> 5 * output.size();
      case LogSoftmax _ -> 5 * output.size();
      case LayerNorm _ -> 8 * output.size();
      case SgdStep _ -> 6 * output.size();
      case AdamStep _ -> 14 * output.size();
      default -> Math.max(output.size(), inputs.isEmpty() ? 0 : inputs.getFirst().shape().size());
    };
  }

  /** A multiplication and an addition for each output element and each element of its filter. */
  private static long convolution(Shape output, Shape weight) {
    return 2 * output.size() * weight.dim(1) * weight.dim(2) * weight.dim(3);
  }
}
