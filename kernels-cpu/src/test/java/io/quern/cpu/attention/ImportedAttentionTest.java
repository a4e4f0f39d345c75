package io.quern.cpu.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.onnx.Models;
import io.quern.onnx.OnnxModel;
import io.quern.op.TensorSpec;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Attention of ONNX models is one step of their plans, after those that make its mask. */
class ImportedAttentionTest {
  @Test
  void isOneStepWithMasksAndGroupsOfHeads() {
    OnnxModel model =
        new Models()
            .opset(24)
            .input(Models.value("q", 1, 1, 4, 3, 8))
            .input(Models.value("k", 1, 1, 2, 3, 8))
            .input(Models.value("mask", 9, 3, 3))
            .output(Models.value("y", 1, 1, 4, 3, 8))
            .add(Models.node("Attention", "q k k mask", "y", "is_causal", 1))
            .model();
    List<TensorSpec> specs =
        List.of(
            new TensorSpec(DType.F32, Shape.of(1, 4, 3, 8)),
            new TensorSpec(DType.F32, Shape.of(1, 2, 3, 8)),
            new TensorSpec(DType.BOOL, Shape.of(3, 3)));
    try (var compiled = model.compile(specs)) {
      assertThat(compiled.plan().kernels()).last().asString().startsWith("attention");
      assertThat(compiled.plan().kernels()).noneMatch(kernel -> kernel.startsWith("matmul"));
    }
  }
}
