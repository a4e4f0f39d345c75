package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.conformance.LightModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The networks of the ONNX model zoo with random weights give what ONNX Runtime gives. */
class OnnxLightModelsTest {
  private static final Path LIGHT =
      Path.of(System.getProperty("quern.test.light", "../../shared/data/onnx-light"));

  /** Half a unit in the last place of 1. */
  private static final double ROUNDING = 0x1p-24;

  /**
   * The error of a sum of {@code length} products grows as the root of its length when roundings
   * are independent, and that of {@code depth} layers one after another adds up; both engines have
   * it, and 4 standard deviations are taken.
   */
  @ParameterizedTest
  @CsvSource({
    "bvlc_alexnet, 8, 9216",
    "densenet121, 121, 1152",
    "inception_v1, 22, 1152",
    "inception_v2, 32, 1152",
    "resnet50, 50, 4608",
    "shufflenet, 50, 1088",
    "squeezenet, 18, 576",
    "vgg19, 19, 25088",
    "zfnet512, 8, 18432"
  })
  void givesWhatOnnxRuntimeGives(String name, int depth, int length, @TempDir Path folder)
      throws Exception {
    Path file = LIGHT.resolve("light_" + name + ".onnx");
    assumeTrue(Files.exists(file), file + " is not there");
    Path written = LightModel.write(file, folder, 1);
    OnnxModel model = OnnxModel.load(written);
    try (OnnxRuntime runtime = new OnnxRuntime(written);
        TensorScope _ = TensorScope.open()) {
      String input = model.inputs().getFirst().name();
      Map<String, Tensor> image = Map.of(input, Rng.of(7).normal(1, 3, 224, 224));
      String output = model.outputs().getFirst().name();
      double[] found = model.run(image).get(output).toDoubleArray();
      assertThat(model.nodeByNode()).isEmpty();
      double[] expected = runtime.run(image).get(output);
      double largest = 0;
      double difference = 0;
      for (int i = 0; i < expected.length; i++) {
        largest = Math.max(largest, Math.abs(expected[i]));
        difference = Math.max(difference, Math.abs(expected[i] - found[i]));
      }
      assertThat(largest).isPositive().isFinite();
      assertThat(difference / largest)
          .isLessThanOrEqualTo(2 * 4 * ROUNDING * depth * Math.sqrt(length));
    }
  }
}
