package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.cli.Cli;
import io.quern.cli.readme.Import;
import io.quern.io.Npy;
import io.quern.nn.Linear;
import io.quern.nn.ModelFile;
import io.quern.op.TensorSpec;
import io.quern.runtime.Workers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models in files, from Java and from the command line. */
class OnnxFileTest {
  @TempDir private Path folder;
  private Path file;

  /** scores = relu(x W), with W = [[1, -1], [2, 1]]. */
  @BeforeEach
  void writeModel() throws IOException {
    byte[] model =
        new Models()
            .constant(Models.floats("w", new float[] {1, -1, 2, 1}, 2, 2))
            .input(Models.value("x", 1, 0, 2))
            .output(Models.value("scores", 1, 0, 2))
            .add(Models.node("MatMul", "x w", "h"))
            .add(Models.node("Relu", "h", "scores"))
            .bytes();
    file = Files.write(folder.resolve("model.onnx"), model);
  }

  @Test
  void readmeExampleRuns() {
    assertThat(Import.run(file, Tensor.ones(1, 2)).toFloatArray()).containsExactly(3, 0);
  }

  @Test
  void runsOnArraysOfNumPy() {
    Path x = folder.resolve("x.npy");
    Path results = folder.resolve("results.npz");
    Npy.write(x, Tensor.ones(3, 2));
    Cli run = quern("onnx", "run", file, "--input", "x=" + x, "--output", results);
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("scores: F32[3, 2]").contains("[3.0, 0.0, 3.0, 0.0, 3.0, 0.0]");
    Map<String, Tensor> written = Npy.readArchive(results);
    assertThat(written.keySet()).containsExactly("scores");
    assertThat(written.get("scores").toFloatArray()).containsExactly(3, 0, 3, 0, 3, 0);
  }

  @Test
  void wrongInputsAreNamed() {
    Path x = folder.resolve("x.npy");
    Npy.write(x, Tensor.ones(3, 4));
    assertThat(quern("onnx", "run", file, "--input", "x=" + x).err())
        .contains("input 'x' must be x: float[n, 2], found float[3, 4]");
    assertThat(quern("onnx", "run", file).err()).contains("input 'x' is missing");
    assertThat(quern("onnx", "run", file, "--input", "x").code()).isEqualTo(2);
  }

  @Test
  void showsThePlanOfAShape() {
    Cli run = quern("onnx", "dump", file, "--shape", "x=5x2");
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("F32[5, 2]").contains("1 steps");
    assertThat(quern("onnx", "dump", file).err())
        .contains("input 'x' has the shape [n, 2]; give one with --shape");
    assertThat(quern("onnx", "dump", file, "--shape", "y=5x2").err())
        .contains("there is no input 'y', the inputs are [x]");
  }

  @Test
  void showsTheTimesOfSteps() {
    Cli run = quern("onnx", "dump", file, "--shape", "x=5x2", "--profile");
    assertThat(run.code()).isZero();
    assertThat(run.out()).containsPattern("F32\\[5, 2\\].* ms .* GFLOP/s .* GB/s");
    assertThat(run.out()).containsPattern("in all +\\d+\\.\\d+ ms");
  }

  @Test
  void measuresLatencies() {
    int threads = Workers.shared().threads();
    Cli run = quern("bench", file, "--shape", "x=5x2", "--threads", "1", "--seconds", "0.1");
    Workers.setThreads(threads);
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).contains("1 threads").containsPattern("p50 +\\d").contains("max");
    assertThat(run.out()).containsPattern("allocated [\\d,]+ bytes per run by the calling thread");
    assertThat(quern("bench", file, "--shape", "x=5x2", "--seconds", "0").err())
        .contains("must be positive");
  }

  @Test
  void writesSavedModels() {
    Path saved = folder.resolve("model.safetensors");
    Path written = folder.resolve("written.onnx");
    ModelFile.save(Linear.of(2, 3, Rng.of(1)), saved);
    assertThat(quern("onnx", "export", saved, written).err())
        .contains("does not tell its input; give one with --shape");
    assertThat(quern("onnx", "export", saved, written, "--shape", "2").out()).contains("wrote");
    assertThat(quern("onnx", "check", written).out())
        .contains("input: float[batch, 2]")
        .contains("output: float[batch, 3]");
    ModelFile.save(Linear.of(2, 3, Rng.of(1)), saved, new TensorSpec(DType.F32, Shape.of(2)));
    assertThat(quern("onnx", "export", saved, written, "--batch", "4").code()).isZero();
    assertThat(OnnxModel.load(written).inputs()).hasToString("[input: float[4, 2]]");
    assertThat(quern("onnx", "export", saved, written, "--external-data").code()).isZero();
    assertThat(OnnxModel.load(written).run(Map.of("input", Tensor.ones(5, 2))).get("output").dim(0))
        .isEqualTo(5);
  }

  private static Cli quern(Object... arguments) {
    return Cli.run(Stream.of(arguments).map(Object::toString).toArray(String[]::new));
  }
}
