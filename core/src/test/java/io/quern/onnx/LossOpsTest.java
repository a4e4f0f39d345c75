package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import org.junit.jupiter.api.Test;

/** Losses of targets that do not count. */
class LossOpsTest {
  private static final float IMPOSSIBLE = Float.NEGATIVE_INFINITY;

  @Test
  void ignoredTargetsAddNothingWhereTheFirstClassIsImpossible() {
    Tensor logs = Tensor.of(new float[] {IMPOSSIBLE, -1, IMPOSSIBLE, -0.5f}, 2, 2);
    Tensor targets = Tensor.of(new long[] {-1, 1});
    for (String reduction : new String[] {"mean", "sum"}) {
      new OneNode("NegativeLogLikelihoodLoss", 22)
          .in(logs)
          .in(targets)
          .integer("ignore_index", -1)
          .text("reduction", reduction)
          .gives(0.5);
    }
    new OneNode("NegativeLogLikelihoodLoss", 22)
        .in(logs)
        .in(targets)
        .in(Tensor.of(new float[] {3, 2}))
        .integer("ignore_index", -1)
        .text("reduction", "none")
        .gives(0, 1.0);
    new OneNode("SoftmaxCrossEntropyLoss", 13)
        .in(Tensor.of(new float[] {IMPOSSIBLE, 0, 0, IMPOSSIBLE, 0, 0}, 2, 3))
        .in(targets)
        .integer("ignore_index", -1)
        .text("reduction", "sum")
        .isNear(0, DType.F32, 4 * DType.F32.epsilon(), Math.log(2));
  }
}
