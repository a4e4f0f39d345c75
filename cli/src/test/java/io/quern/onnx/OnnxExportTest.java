package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.nn.AvgPool2d;
import io.quern.nn.BatchNorm1d;
import io.quern.nn.BatchNorm2d;
import io.quern.nn.Conv2d;
import io.quern.nn.Dropout;
import io.quern.nn.Embedding;
import io.quern.nn.Flatten;
import io.quern.nn.Gelu;
import io.quern.nn.GroupNorm;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.MultiHeadAttention;
import io.quern.nn.Relu;
import io.quern.nn.Residual;
import io.quern.nn.RmsNorm;
import io.quern.nn.Sequential;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models in files, as ONNX Runtime and our importer read them. */
class OnnxExportTest {
  private static final Rng RNG = Rng.of(5);

  @TempDir private Path folder;

  private Path file() {
    return folder.resolve("model.onnx");
  }

  /**
   * The error of a sum of {@code length} products grows as the root of its length when roundings
   * are independent, and that of {@code depth} layers adds up; both engines have it, and 4 standard
   * deviations are taken.
   */
  private static void requireNear(double[] found, double[] expected, int depth, int length) {
    assertThat(found).hasSameSizeAs(expected);
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - found[i]));
    }
    assertThat(largest).isPositive().isFinite();
    assertThat(difference / largest)
        .isLessThanOrEqualTo(2 * 4 * 0x1p-24 * depth * Math.sqrt(length));
  }

  /** Compares the file with the model for batches of several sizes, as both engines read it. */
  private void check(
      Function<Tensor, Tensor> model, Function<Long, Tensor> inputs, int depth, int length)
      throws Exception {
    OnnxModel imported = OnnxModel.load(file());
    String input = imported.inputs().getFirst().name();
    String output = imported.outputs().getFirst().name();
    assertThat(imported.inputs().getFirst().dims()).startsWith("batch");
    assertThat(imported.outputs().getFirst().dims()).startsWith("batch");
    try (OnnxRuntime runtime = new OnnxRuntime(file());
        TensorScope _ = TensorScope.open()) {
      for (long batch : new long[] {1, 2, 7}) {
        Tensor x = inputs.apply(batch);
        double[] expected = model.apply(x).toDoubleArray();
        requireNear(runtime.run(Map.of(input, x)).get(output), expected, depth, length);
        double[] again = imported.run(Map.of(input, x)).get(output).toDoubleArray();
        requireNear(again, expected, depth, length);
      }
      assertThat(imported.nodeByNode()).isEmpty();
    }
  }

  private static List<String> ops(OnnxExport export) {
    return export.graph().nodes().stream().map(ExportGraph.Node::op).toList();
  }

  private static TensorSpec f32(long... dims) {
    return new TensorSpec(DType.F32, Shape.of(dims));
  }

  private static Module perceptron() {
    return Sequential.of(Linear.of(24, 40, RNG), new Relu(), Linear.of(40, 10, RNG));
  }

  @Test
  void perceptrons() throws Exception {
    Module model = perceptron();
    OnnxExport export = OnnxExport.of(model, f32(24)).inputs("x").outputs("scores");
    assertThat(ops(export)).containsExactly("Gemm", "Relu", "Gemm");
    assertThat(export.graph().constants().keySet())
        .containsExactlyInAnyOrderElementsOf(model.parameters().keySet());
    export.write(file());
    assertThat(OnnxModel.load(file()).outputs()).hasToString("[scores: float[batch, 10]]");
    check(model::forward, n -> RNG.normal(n, 24), 2, 40);
  }

  @Test
  void convolutionsWithBatchNormAndDropout() throws Exception {
    Module model =
        Sequential.of(
            Conv2d.of(3, 8, Window.of(3).padding(1), RNG),
            BatchNorm2d.of(8),
            new Relu(),
            MaxPool2d.of(2),
            Residual.of(
                Sequential.of(
                    Conv2d.of(8, 8, Window.of(3).padding(1), 4, false, RNG), BatchNorm2d.of(8))),
            AvgPool2d.of(2),
            Flatten.of(),
            Dropout.of(0.5),
            Linear.of(8 * 4 * 4, 16, RNG),
            BatchNorm1d.of(16));
    for (int i = 0; i < 3; i++) {
      model.forward(RNG.normal(8, 3, 16, 16).mul(3).add(1), Mode.training(RNG));
    }
    OnnxExport export = OnnxExport.of(model, f32(3, 16, 16));
    assertThat(ops(export)).contains("Conv", "MaxPool", "AveragePool", "Gemm");
    export.write(file());
    check(model::forward, n -> RNG.normal(n, 3, 16, 16), 5, 128);
  }

  private static Module transformerBlock() {
    return Sequential.of(
        Residual.of(Sequential.of(LayerNorm.of(32), MultiHeadAttention.of(32, 4, RNG))),
        Residual.of(
            Sequential.of(
                RmsNorm.of(32),
                MultiHeadAttention.builder(32, 4).causal(true).dropout(0.1).build(RNG))),
        Residual.of(
            Sequential.of(
                LayerNorm.of(32), Linear.of(32, 64, RNG), new Gelu(), Linear.of(64, 32, RNG))));
  }

  @Test
  void transformerBlocks() throws Exception {
    Module model = transformerBlock();
    OnnxExport export = OnnxExport.of(model, f32(12, 32));
    assertThat(ops(export)).contains("LayerNormalization", "Softmax", "MatMul", "Gelu");
    export.write(file());
    check(model::forward, n -> RNG.normal(n, 12, 32), 10, 64);
  }

  @Test
  void embeddingsAndGroupNorm() throws Exception {
    Embedding words = Embedding.of(50, 16, RNG);
    GroupNorm norm = GroupNorm.of(3, 6);
    Function<Tensor, Tensor> function = ids -> norm.forward(words.forward(ids));
    OnnxExport.of(
            inputs -> List.of(function.apply(inputs.getFirst())),
            List.of(new TensorSpec(DType.I64, Shape.of(1, 6))))
        .openBatch("batch")
        .write(file());
    check(function, n -> RNG.uniform(n, 6).mul(50).to(DType.I64), 2, 24);
  }

  /** Where the size of the batch is used for more than a dimension that stays. */
  @Test
  void openBatchesOfWhatGrowsWithThem() throws Exception {
    Tensor token = RNG.normal(1, 1, 8);
    Function<Tensor, Tensor> function =
        x -> {
          long n = x.dim(0);
          Tensor tokens = token.expand(Shape.of(n, 1, 8));
          Tensor joined = Tensor.concat(1, tokens, x);
          Tensor zeros = Tensor.zeros(n, 2, 8);
          Tensor pairs = Tensor.concat(0, joined, joined).slice(0, 1, n + 1);
          return Tensor.concat(1, pairs, zeros).reshape(n, 3 + 3, 2, 4);
        };
    OnnxExport.of(inputs -> List.of(function.apply(inputs.getFirst())), List.of(f32(1, 3, 8)))
        .openBatch("batch")
        .write(file());
    check(function, n -> RNG.normal(n, 3, 8), 1, 1);
  }

  @Test
  void functionsOfTheBatchesSizeNeedAFixedOne() {
    OnnxExport mean =
        OnnxExport.of(
            inputs -> List.of(inputs.getFirst().mul(1.0 / inputs.getFirst().dim(0))),
            List.of(f32(1, 3)));
    assertThatThrownBy(() -> mean.openBatch("n").write(file()))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("depends on the size of the batch")
        .hasMessageContaining("fixedBatch");
    OnnxExport branch =
        OnnxExport.of(
            inputs -> {
              Tensor x = inputs.getFirst();
              return List.of(x.dim(0) > 10 ? x.neg() : x.abs());
            },
            List.of(f32(1, 3)));
    assertThatThrownBy(() -> branch.openBatch("n").write(file()))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("depends on the size of the batch");
    mean.fixedBatch(4).write(file());
    assertThat(OnnxModel.load(file()).inputs()).hasToString("[input: float[4, 3]]");
    assertThatThrownBy(
            () -> OnnxExport.of(inputs -> inputs, List.of(f32())).openBatch("n").write(file()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("has no batch");
  }

  @Test
  void severalInputsAndOutputsInOrder() throws Exception {
    OnnxExport.of(
            inputs -> {
              Tensor sum = inputs.get(0).add(inputs.get(1));
              return List.of(sum, inputs.get(1), sum, Tensor.ones(2));
            },
            List.of(f32(2, 3), f32(3)))
        .inputs("left", "right")
        .outputs("sum", "same", "again", "ones")
        .write(file());
    Map<String, Tensor> arguments =
        Map.of("left", Tensor.zeros(2, 3), "right", Tensor.of(new float[] {1, 2, 3}, 3));
    try (OnnxRuntime runtime = new OnnxRuntime(file())) {
      Map<String, double[]> results = runtime.run(arguments);
      assertThat(results.keySet()).containsExactly("sum", "same", "again", "ones");
      assertThat(results.get("sum")).containsExactly(1, 2, 3, 1, 2, 3);
      assertThat(results.get("same")).containsExactly(1, 2, 3);
      assertThat(results.get("again")).containsExactly(1, 2, 3, 1, 2, 3);
      assertThat(results.get("ones")).containsExactly(1, 1);
    }
  }

  @Test
  void weightsBesideTheModel() throws Exception {
    Module model = perceptron();
    OnnxExport.of(model, f32(24)).externalData().write(file());
    assertThat(Files.size(file())).isLessThan(2000);
    assertThat(folder.resolve("model.onnx.data")).exists();
    byte[] first = Files.readAllBytes(file());
    OnnxExport.of(model, f32(24)).externalData().write(file());
    assertThat(file()).hasBinaryContent(first);
    check(model::forward, n -> RNG.normal(n, 24), 2, 40);
  }

  @Test
  void messagesOfLargeModelsAreSmallWithoutTheWeights() {
    // Too many elements to write here: only the messages are made.
    Tensor large = Tensor.zeros(1, 1 << 20).expand(Shape.of(1 << 10, 1 << 20));
    ExportGraph graph =
        OnnxExport.of(inputs -> List.of(inputs.getFirst().add(large)), List.of(f32(1))).graph();
    assertThat(graph.weightBytes()).isEqualTo(1L << 32);
    assertThat(new ExportFile(graph, null).model().size()).isGreaterThan(1L << 32);
    assertThat(new ExportFile(graph, "data").model().size()).isLessThan(1000);
  }

  // ---- what goes wrong --------------------------------------------------------------------

  @Test
  void allProblemsAreListedAndNothingIsWritten() throws IOException {
    Tensor counter = Tensor.zeros(3);
    OnnxExport export =
        OnnxExport.of(
            inputs -> {
              Tensor x = inputs.getFirst();
              counter.copyFrom(counter.add(x));
              return List.of(Rng.of(1).normal(3).add(x).cumSum(0));
            },
            List.of(f32(3)));
    Files.writeString(file(), "before");
    assertThatThrownBy(() -> export.write(file()))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("random_normal: ")
        .hasMessageContaining("writes into 1 tensors");
    assertThat(file()).hasContent("before");
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).containsExactly(file());
    }
  }

  @Test
  void namesMustBeDifferentAndOfTheRightNumber() {
    OnnxExport export = OnnxExport.of(inputs -> List.of(inputs.getFirst().neg()), List.of(f32(3)));
    assertThatThrownBy(() -> export.inputs("x").outputs("x").write(file()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("found 'x' twice");
    assertThatThrownBy(() -> export.inputs("x", "y").outputs("z").write(file()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("2 names for 1 inputs");
    assertThatThrownBy(() -> export.inputs("").write(file()))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void namesOfInputsThatValuesWouldHave() throws Exception {
    Module model = perceptron();
    OnnxExport.of(model, f32(24)).inputs("0.weight").outputs("relu").write(file());
    check(model::forward, n -> RNG.normal(n, 24), 2, 40);
  }

  @Test
  void filesAreReplacedInOneStepOrNotAtAll() throws IOException {
    OnnxExport export = OnnxExport.of(perceptron(), f32(24));
    Files.writeString(file(), "before");
    export.write(file());
    assertThat(OnnxModel.load(file()).opset()).isEqualTo(OnnxExport.OPSET);
    Path nowhere = folder.resolve("missing").resolve("model.onnx");
    assertThatThrownBy(() -> export.write(nowhere))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(nowhere.toString());
    Path directory = Files.createDirectories(folder.resolve("directory").resolve("inside"));
    assertThatThrownBy(() -> export.write(directory.getParent()))
        .isInstanceOf(UncheckedIOException.class);
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).containsExactlyInAnyOrder(file(), directory.getParent());
    }
  }

  @Test
  void weightsAreThoseOfTheMomentOfWriting() {
    Tensor weight = Tensor.ones(3);
    OnnxExport export =
        OnnxExport.of(inputs -> List.of(inputs.getFirst().mul(weight)), List.of(f32(3)));
    weight.copyFrom(Tensor.ones(3).add(1));
    export.write(file());
    assertThat(
            OnnxModel.load(file())
                .run(Map.of("input", Tensor.ones(3)))
                .get("output")
                .toFloatArray())
        .containsExactly(2, 2, 2);
  }
}
