package io.quern.cli.readme;

import io.quern.DType;
import io.quern.Quern;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.nn.Module;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;

final class Compile {
  private Compile() {}

  static void run(Module model, Tensor image) {
    // README: compile
    Compiled scores =
        Quern.compile(
            x -> model.forward(x).softmax(1), new TensorSpec(DType.F32, Shape.of(1, 784)));
    Tensor probabilities = scores.run(image);
    System.out.println(scores.plan().describe()); // steps, kernels, bytes, FLOPs
    // README: end
    probabilities.close();
  }
}
