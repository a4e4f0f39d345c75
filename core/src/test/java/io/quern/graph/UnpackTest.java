package io.quern.graph;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.BlockMatMul;
import io.quern.plan.Compiled;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A device without a kernel for packed weights unpacks those that are constants once. */
class UnpackTest {
  @Test
  void constantWeightsAreUnpackedBeforeThePlanRuns() {
    try (var _ = TensorScope.open()) {
      Device device = Device.reference();
      Rng rng = Rng.of(1);
      Tensor weights = rng.uniform(Shape.of(5, 2, 16), 0, 256).to(DType.U8).to(device);
      Tensor scales = rng.uniform(Shape.of(5, 2), 0, 1).to(device);
      Tensor input = rng.normal(3, 40).to(device);
      BlockMatMul op = new BlockMatMul(4, 32);
      Compiled compiled =
          Quern.compile(
              device,
              in -> List.of(Tensor.apply(op, in.getFirst(), weights, scales)),
              List.of(input.spec()));
      assertThat(compiled.plan().steps()).isOne();
      assertThat(compiled.run(input).toByteArray())
          .isEqualTo(Tensor.apply(op, input, weights, scales).toByteArray());
    }
  }
}
