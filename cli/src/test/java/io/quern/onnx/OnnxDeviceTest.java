package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.runtime.HostMemory;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Models on another device than the CPU. */
class OnnxDeviceTest {
  private final Device reference = Device.of("reference");

  @Test
  void weightsMoveAndArgumentsFollow() {
    OnnxModel model =
        new Models()
            .constant(Models.floats("w", new float[] {1, -1, 2, 1}, 2, 2))
            .input(Models.value("x", 1, 0, 2))
            .output(Models.value("y", 1, 0, 2))
            .add(Models.node("MatMul", "x w", "h"))
            .add(Models.node("Relu", "h", "y"))
            .model();
    OnnxModel moved = model.on(reference);
    assertThat(moved.on(reference)).isSameAs(moved);
    for (int rows = 1; rows < 3; rows++) {
      for (Device device : new Device[] {Device.cpu(), reference}) {
        Tensor y = moved.run(Map.of("x", Tensor.ones(rows, 2).to(device))).get("y");
        assertThat(y.device()).isEqualTo(reference);
        assertThat(y.slice(0, 0, 1).toFloatArray()).containsExactly(3, 0);
      }
    }
    Tensor y = model.run(Map.of("x", Tensor.ones(1, 2))).get("y");
    assertThat(y.device()).isEqualTo(Device.cpu());
    assertThat(y.toFloatArray()).containsExactly(3, 0);
  }

  @Test
  void plansShareWeights() {
    int size = 1 << 20;
    OnnxModel model =
        new Models()
            .constant(Models.floats("w", new float[size], size))
            .input(Models.value("x", 1, 0, 1))
            .output(Models.value("y", 1, 0, size))
            .add(Models.node("Add", "x w", "y"))
            .model()
            .on(reference);
    model.run(Map.of("x", Tensor.ones(1, 1))).get("y").close();
    long before = HostMemory.shared().usage().live();
    for (int rows = 2; rows < 5; rows++) {
      model.run(Map.of("x", Tensor.ones(rows, 1))).get("y").close();
    }
    assertThat(HostMemory.shared().usage().live() - before).isLessThan(4L * size);
  }

  @Test
  void whatRunsNodeByNodeRunsOnTheCpu() {
    OnnxModel model =
        new Models()
            .input(Models.value("x", 1, 0))
            .output(Models.value("y", 7, 1, 0))
            .add(Models.node("NonZero", "x", "y"))
            .model()
            .on(reference);
    Tensor x = Tensor.of(new float[] {0, 2, 0, 3}).to(reference);
    assertThat(model.run(Map.of("x", x)).get("y").toLongArray()).containsExactly(1, 3);
    assertThat(model.nodeByNode()).isPresent();
  }
}
