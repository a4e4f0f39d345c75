package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.io.Npy;
import io.quern.onnx.ElementType;
import io.quern.onnx.Models;
import io.quern.onnx.OnnxModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Quantising a network that was trained, from the command line. */
class OnnxQuantizeCommandTest {
  /**
   * What rounding may cost: of 2,000 images about one in a hundred is near enough to a border to
   * change its class, to the better or the worse, so that accuracies differ by some thousandths.
   */
  private static final double ACCURACY = 0.01;

  @Test
  void keepsTheAccuracyOfTrainedNetwork(@TempDir Path folder) {
    String trained = folder.resolve("trained").toString();
    Cli training = Cli.run("quickstart", "--epochs", "2", "--predictions", "1", "--out", trained);
    assertThat(training.code()).as(training.err()).isZero();
    Path floats = folder.resolve("model.onnx");
    Path bytes = folder.resolve("model-q.onnx");
    String saved = folder.resolve("trained/model.safetensors").toString();
    assertThat(Cli.run("onnx", "export", saved, floats.toString()).code()).isZero();
    FashionMnist data = FashionMnist.bundled();
    Path examples = folder.resolve("examples.npy");
    Npy.write(examples, FashionMnist.toInput(data.training().images().slice(0, 0, 200)));
    String input = OnnxModel.load(floats).inputs().getFirst().name();
    Cli run =
        Cli.run(
            "onnx",
            "quantize",
            floats.toString(),
            bytes.toString(),
            "--input",
            input + "=" + examples);
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("operators on bytes").contains("200 examples");
    double before = accuracy(floats, input, data.test());
    assertThat(before).isGreaterThan(0.75);
    assertThat(accuracy(bytes, input, data.test())).isBetween(before - ACCURACY, before + ACCURACY);
  }

  private static double accuracy(Path file, String input, FashionMnist.Split test) {
    OnnxModel model = OnnxModel.load(file);
    try (TensorScope _ = TensorScope.open()) {
      Map<String, Tensor> images = Map.of(input, FashionMnist.toInput(test.images()));
      Tensor scores = model.run(images).values().iterator().next();
      long[] found = scores.argmax(1).toLongArray();
      long[] labels = test.labels().toLongArray();
      int right = 0;
      for (int i = 0; i < labels.length; i++) {
        right += found[i] == labels[i] ? 1 : 0;
      }
      return (double) right / labels.length;
    }
  }

  @Test
  void inputThatTheModelLacksIsAnError(@TempDir Path folder) {
    Path examples = folder.resolve("examples.npy");
    Npy.write(examples, Tensor.of(new float[] {1, 2}, 2));
    Cli run =
        Cli.run(
            "onnx",
            "quantize",
            folder.resolve("missing.onnx").toString(),
            folder.resolve("out.onnx").toString(),
            "--input",
            "x=" + examples);
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.err()).contains("missing.onnx");
  }

  private static Cli quantized(Path folder, byte[] model, Tensor examples) throws IOException {
    Path file = Files.write(folder.resolve("model.onnx"), model);
    Path array = folder.resolve("examples.npy");
    Npy.write(array, examples);
    return Cli.run(
        "onnx",
        "quantize",
        file.toString(),
        folder.resolve("out.onnx").toString(),
        "--input",
        "x=" + array);
  }

  /** A product with a matrix, of a batch of this size. */
  private static Models product(long batch) {
    return new Models()
        .constant(Models.floats("w", new float[] {1, -1, 2, 1}, 2, 2))
        .output(Models.value("y", ElementType.FLOAT.code(), batch, 2))
        .add(Models.node("MatMul", "x w", "y"));
  }

  @ParameterizedTest
  @ValueSource(longs = {32, 10})
  void fixedBatchTakesWholeBatches(long batch, @TempDir Path folder) throws IOException {
    Models model = product(batch).input(Models.value("x", ElementType.FLOAT.code(), batch, 2));
    Cli run = quantized(folder, model.bytes(), Rng.of(1).normal(105, 2));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains(105 / batch * batch + " examples");
    Cli tooFew = quantized(folder, model.bytes(), Rng.of(1).normal(batch - 1, 2));
    assertThat(tooFew.code()).isEqualTo(1);
    assertThat(tooFew.err()).contains("examples.npy").contains("at least " + batch);
  }

  @Test
  void openBatchTakesAllExamples(@TempDir Path folder) throws IOException {
    Models model = product(0).input(Models.value("x", ElementType.FLOAT.code(), 0, 2));
    Cli run = quantized(folder, model.bytes(), Rng.of(1).normal(105, 2));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("105 examples");
  }

  @Test
  void modelOfNoExamplesIsExplained(@TempDir Path folder) throws IOException {
    Models model = product(0).input(Models.emptyValue("x", ElementType.FLOAT.code(), 2));
    Cli run = quantized(folder, model.bytes(), Rng.of(1).normal(5, 2));
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.err()).contains("model.onnx takes no examples");
  }
}
