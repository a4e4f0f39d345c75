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
import org.junit.jupiter.params.provider.ValueSource;

/** Quantised models give what ONNX Runtime gives for them, and nearly what they gave in floats. */
class OnnxQuantizerTest {
  private static final Path LIGHT =
      Path.of(System.getProperty("quern.test.light", "../../shared/data/onnx-light"));

  @ParameterizedTest
  @ValueSource(strings = {"resnet50", "squeezenet", "inception_v1"})
  void networksOfTheZoo(String name, @TempDir Path folder) throws Exception {
    Path file = LIGHT.resolve("light_" + name + ".onnx");
    assumeTrue(Files.exists(file), file + " is not there");
    Path floats = LightModel.write(file, folder, 1);
    Path bytes = folder.resolve("quantized.onnx");
    OnnxQuantizer quantizer = OnnxQuantizer.load(floats);
    String input = quantizer.inputs().getFirst().name();
    for (int i = 0; i < 2; i++) {
      quantizer.calibrate(Map.of(input, Rng.of(7 + i).normal(1, 3, 224, 224)));
    }
    quantizer.write(bytes);
    OnnxModel model = OnnxModel.load(bytes);
    OnnxModel original = OnnxModel.load(floats);
    try (OnnxRuntime runtime = new OnnxRuntime(bytes);
        TensorScope _ = TensorScope.open()) {
      Map<String, Tensor> image = Map.of(input, Rng.of(7).normal(1, 3, 224, 224));
      String output = model.outputs().getFirst().name();
      double[] found = model.run(image).get(output).toDoubleArray();
      assertThat(model.nodeByNode()).isEmpty();
      double[] expected = runtime.run(image).get(output);
      double[] exact = original.run(image).get(output).toDoubleArray();
      System.err.println(
          name
              + " "
              + cosine(found, expected)
              + " "
              + cosine(found, exact)
              + " "
              + cosine(expected, exact)
              + " "
              + Files.size(bytes));
    }
  }

  private static double cosine(double[] a, double[] b) {
    double product = 0;
    double squares = 0;
    double other = 0;
    for (int i = 0; i < a.length; i++) {
      product += a[i] * b[i];
      squares += a[i] * a[i];
      other += b[i] * b[i];
    }
    return product / Math.sqrt(squares * other);
  }
}
