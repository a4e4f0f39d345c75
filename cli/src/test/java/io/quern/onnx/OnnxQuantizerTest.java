package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.conformance.LightModel;
import io.quern.op.TensorSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Quantised models give what ONNX Runtime gives for them, and nearly what they gave in floats. */
class OnnxQuantizerTest {
  private static final Path LIGHT =
      Path.of(System.getProperty("quern.test.light", "../../shared/data/onnx-light"));

  /**
   * How much larger the error of quantisation may be than that of ONNX Runtime for the same model.
   * Both round the same sums; which way halves and near halves go makes errors differ, as two draws
   * of the same noise do.
   */
  private static final double MORE = 1.25;

  @ParameterizedTest
  @CsvSource({"resnet50, 53, 16, 1", "squeezenet, 26, 0, 3", "inception_v1, 57, 0, 12"})
  void networksOfTheZoo(String name, int convolutions, int sums, int maxima, @TempDir Path folder)
      throws Exception {
    Path file = LIGHT.resolve("light_" + name + ".onnx");
    assumeTrue(Files.exists(file), file + " is not there");
    Path floats = LightModel.write(file, folder, 1);
    long floatBytes = Files.size(folder.resolve("weights"));
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
      double own = distance(found, exact);
      assertThat(own).isLessThan(0.05 * distance(exact, new double[exact.length]));
      assertThat(own).isLessThanOrEqualTo(MORE * distance(expected, exact));
      assertThat(Files.size(bytes)).isLessThan(27 * floatBytes / 100);
      if (Device.cpu().describe().matches(".*(AMX|VNNI).*")) {
        String plan = model.compile(List.of(image.get(input).spec())).plan().describe();
        assertThat(count(plan, "quantized_conv2d_")).isEqualTo(convolutions);
        assertThat(count(plan, "quantized_add_")).isEqualTo(sums);
        assertThat(count(plan, "max_pool2d_u8")).isEqualTo(maxima);
      }
    }
  }

  private static long count(String text, String part) {
    return Pattern.compile(part).matcher(text).results().count();
  }

  private static double distance(double[] a, double[] b) {
    double squares = 0;
    for (int i = 0; i < a.length; i++) {
      squares += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return Math.sqrt(squares);
  }

  @Test
  void modelWithoutAnythingToQuantiseIsRefused(@TempDir Path folder) {
    Path file = folder.resolve("model.onnx");
    export(x -> x.exp(), file);
    assertThatThrownBy(() -> OnnxQuantizer.load(file))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("has no convolution, product with a constant matrix or sum");
  }

  @Test
  void examplesMustBeFinite(@TempDir Path folder) {
    OnnxQuantizer quantizer = OnnxQuantizer.load(linear(folder));
    Map<String, Tensor> bad = Map.of("input", Tensor.of(new float[] {1, Float.NaN, 0, 0}, 1, 4));
    assertThatThrownBy(() -> quantizer.calibrate(bad))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("'input' is from NaN to NaN");
  }

  @Test
  void exampleIsNeeded(@TempDir Path folder) {
    OnnxQuantizer quantizer = OnnxQuantizer.load(linear(folder));
    assertThatThrownBy(() -> quantizer.write(folder.resolve("out.onnx")))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("call calibrate before write");
    assertThat(folder.resolve("out.onnx")).doesNotExist();
  }

  private static Path linear(Path folder) {
    Path file = folder.resolve("model.onnx");
    Tensor weight = Rng.of(1).normal(4, 3);
    export(x -> x.matmul(weight), file);
    return file;
  }

  private static void export(UnaryOperator<Tensor> function, Path file) {
    OnnxExport.of(
            inputs -> List.of(function.apply(inputs.getFirst())),
            List.of(new TensorSpec(DType.F32, Shape.of(1, 4))))
        .write(file);
  }
}
