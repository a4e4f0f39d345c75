package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.io.FormatException;
import io.quern.op.TensorSpec;
import io.quern.runtime.HostMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models as a whole: plans, constants, complaints. */
class OnnxModelTest {
  /** y = relu(x W), with W = [[1, -1], [2, 1]]. */
  private static Models layer() {
    return new Models()
        .constant(Models.floats("w", new float[] {1, -1, 2, 1}, 2, 2))
        .input(Models.value("x", 1, 0, 2))
        .output(Models.value("y", 1, 0, 2))
        .add(Models.node("MatMul", "x w", "h"))
        .add(Models.node("Relu", "h", "y"));
  }

  @Test
  void runsAsPlanForEveryShape() {
    OnnxModel model = layer().model();
    assertThat(model.check().isSupported()).isTrue();
    for (int rows : new int[] {1, 3, 1}) {
      Tensor y = model.run(Map.of("x", Tensor.ones(rows, 2))).get("y");
      assertThat(y.shape()).isEqualTo(Shape.of(rows, 2));
      assertThat(y.slice(0, 0, 1).toFloatArray()).containsExactly(3, 0);
    }
    assertThat(model.nodeByNode()).isEmpty();
    assertThat(model.compile(List.of(new TensorSpec(DType.F32, Shape.of(5, 2)))).plan().outputs())
        .containsExactly(new TensorSpec(DType.F32, Shape.of(5, 2)));
  }

  @Test
  void closedModelDoesNotRun() {
    OnnxModel model = layer().model();
    Map<String, Tensor> x = Map.of("x", Tensor.ones(1, 2));
    Tensor kept = model.run(x).get("y");
    model.close();
    model.close();
    assertThatIllegalStateException()
        .isThrownBy(() -> model.run(x))
        .withMessageEndingWith("the model was closed; load it anew");
    assertThat(kept.slice(0, 0, 1).toFloatArray()).containsExactly(3, 0);
  }

  @Test
  void shapesAreComputedWhileTracing() {
    OnnxModel model =
        new Models()
            .constant(Models.longs("zero", 0))
            .constant(Models.longs("rest", -1))
            .input(Models.value("x", 1, 0, 2, 3))
            .output(Models.value("y", 1, 0, 6))
            .add(Models.node("Shape", "x", "s"))
            .add(Models.node("Gather", "s zero", "n"))
            .add(Models.node("Concat", "n rest", "target").message(5, Models.attribute("axis", 0)))
            .add(Models.node("Reshape", "x target", "y"))
            .model();
    Tensor y = model.run(Map.of("x", Tensor.ones(4, 2, 3))).get("y");
    assertThat(y.shape()).isEqualTo(Shape.of(4, 6));
    assertThat(model.nodeByNode()).isEmpty();
  }

  @Test
  void failuresWhileItRunsNameTheModel() {
    OnnxModel model =
        new Models()
            .constant(Models.longs("table", 5, 6, 7))
            .input(Models.value("x", 7, 0))
            .output(Models.value("y", 7, 0))
            .add(Models.node("Gather", "table x", "y"))
            .model();
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.of(new long[] {1, 9}))))
        .isInstanceOf(OnnxException.class)
        .hasMessage("test.onnx: gather: index 9 is out of range, expected 0 to 2");
  }

  @Test
  void plansShareWhatFollowsFromConstants() {
    int size = 1 << 20;
    OnnxModel model =
        new Models()
            .constant(Models.tensor("bytes", 3, size).bytes(9, new byte[size]))
            .constant(Models.floats("scale", new float[] {0.5f}))
            .input(Models.value("x", 1, 0, 1))
            .output(Models.value("y", 1, 0, size))
            .add(Models.node("DequantizeLinear", "bytes scale", "floats"))
            .add(Models.node("Add", "x floats", "y"))
            .model();
    model.run(Map.of("x", Tensor.ones(1, 1))).get("y").close();
    long before = HostMemory.shared().usage().live();
    for (int rows = 2; rows < 5; rows++) {
      model.run(Map.of("x", Tensor.ones(rows, 1))).get("y").close();
    }
    assertThat(HostMemory.shared().usage().live() - before).isLessThan(4L * size);
    assertThat(model.nodeByNode()).isEmpty();
  }

  @Test
  void shapesThatDependOnElementsRunNodeByNode() {
    OnnxModel model =
        new Models()
            .input(Models.value("x", 1, 0))
            .output(Models.value("y", 7, 1, 0))
            .add(Models.node("NonZero", "x", "y"))
            .model();
    assertThat(model.check().nodeByNode()).singleElement().asString().contains("nonzero_node");
    Tensor y = model.run(Map.of("x", Tensor.of(new float[] {0, 2, 0, 3}))).get("y");
    assertThat(y.toLongArray()).containsExactly(1, 3);
    assertThat(model.nodeByNode()).isPresent();
  }

  @Test
  void everyUnsupportedNodeIsListedBeforeAnythingRuns() {
    OnnxModel model =
        new Models()
            .input(Models.value("x", 1, 2))
            .output(Models.value("z", 1, 2))
            .add(Models.node("NoSuchOp", "x", "y"))
            .add(Models.node("NorThis", "y", "z"))
            .model();
    assertThat(model.check().unsupported()).hasSize(2);
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ones(2))))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("NoSuchOp (version 17) in nosuchop_node")
        .hasMessageContaining("NorThis (version 17) in northis_node");
  }

  @Test
  void newerVersionsOfTheOperatorsAreRefused() {
    OnnxModel known = relu(28, Models.node("Relu", "x", "y"));
    assertThat(known.check().isSupported()).isTrue();
    OnnxModel newer = relu(29, Models.node("Relu", "x", "y"));
    assertThat(newer.check().problems())
        .containsExactly(
            "it is written for a newer version of ai.onnx, 29, and operators are known up to 28;"
                + " export it for that version");
    assertThatThrownBy(() -> newer.run(Map.of("x", Tensor.ones(2))))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("operators are known up to 28");
    assertThat(relu(99, Models.node("FastGelu", "x", "y").string(7, "com.microsoft")).check())
        .matches(ModelReport::isSupported);
  }

  private static OnnxModel relu(long opset, ProtoWriter node) {
    return new Models()
        .opset(opset)
        .input(Models.value("x", 1, 2))
        .output(Models.value("y", 1, 2))
        .add(node)
        .model();
  }

  @Test
  void attributesWithoutMeaningAreRefused() {
    OnnxModel model =
        new Models()
            .opset(24)
            .input(Models.value("x", 1, 1, 1, 2, 2))
            .output(Models.value("y", 1, 1, 1, 2, 2))
            .add(Models.node("Attention", "x x x", "y", "local_window_size", 3))
            .model();
    assertThat(model.check().problems())
        .singleElement()
        .asString()
        .startsWith("Attention 'attention_node': attribute 'local_window_size' is not known")
        .contains("Attention has [is_causal, kv_num_heads, left_window_size");
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ones(1, 1, 2, 2))))
        .hasMessageContaining("local_window_size");
    for (ProtoWriter node :
        List.of(
            Models.node("Relu", "x", "y", "consumed_inputs", 1),
            Models.node("FastGelu", "x", "y", "mine", 1).string(7, "com.microsoft"))) {
      assertThat(relu(1, node).check()).matches(ModelReport::isSupported);
    }
  }

  @Test
  void firstRunsAtTheSameTimeShareOnePlan() throws InterruptedException {
    int size = 128;
    int threads = 4;
    for (int round = 0; round < 5; round++) {
      OnnxModel model =
          new Models()
              .input(Models.value("x", 1, size, size))
              .output(Models.value("y", 1, size, size))
              .add(Models.node("MatMul", "x x", "h"))
              .add(Models.node("MatMul", "h x", "y"))
              .model();
      long before = HostMemory.shared().usage().live();
      CountDownLatch start = new CountDownLatch(1);
      List<Thread> running = new ArrayList<>();
      for (int i = 0; i < threads; i++) {
        running.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      waitFor(start);
                      try (Tensor x = Tensor.zeros(size, size)) {
                        model.run(Map.of("x", x)).get("y").close();
                      }
                    }));
      }
      start.countDown();
      for (Thread thread : running) {
        thread.join();
      }
      model.close();
      assertThat(HostMemory.shared().usage().live() - before).isLessThan(4L * size * size);
    }
  }

  private static void waitFor(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void cyclesAndMissingNamesAreFound() {
    OnnxModel model =
        new Models()
            .input(Models.value("x", 1, 2))
            .output(Models.value("y", 1, 2))
            .add(Models.node("Add", "x z", "y"))
            .add(Models.node("Relu", "y", "z"))
            .model();
    assertThat(model.check().problems()).singleElement().asString().contains("input 'z'");
  }

  @Test
  void inputsThatDoNotFitAreRefused() {
    OnnxModel model = layer().model();
    assertThatThrownBy(() -> model.run(Map.of("q", Tensor.ones(1, 2))))
        .hasMessageContaining("input 'x' is missing");
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ones(1, 2), "q", Tensor.ones(1))))
        .hasMessageContaining("no input 'q'");
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ones(1, 3))))
        .hasMessageContaining("must be x: float[n, 2], found float[1, 3]");
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ones(2))))
        .hasMessageContaining("found float[2]");
    assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ones(1, 2).to(DType.F64))))
        .hasMessageContaining("found double[1, 2]");
  }

  @Test
  void lyingDimensionsOfConstantsAreFound() {
    OnnxModel model =
        new Models()
            .constant(Models.floats("w", new float[] {1, 2}, 1L << 40, 1L << 20))
            .output(Models.value("w", 1, 2))
            .model();
    assertThatThrownBy(() -> model.run(Map.of()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("tensor 'w' at byte");
  }

  @Test
  void weightsOutsideOfTheFolderAreRefused(@TempDir Path folder) throws IOException {
    Path home = Files.createDirectory(folder.resolve("model"));
    Files.write(folder.resolve("secret"), new byte[8]);
    Files.write(home.resolve("weights"), new byte[8]);
    Files.createSymbolicLink(home.resolve("link"), folder.resolve("secret"));
    for (String location :
        new String[] {"../secret", folder.resolve("secret").toString(), "link", "", "a\0b"}) {
      OnnxModel model = external(home, location, 8);
      assertThatThrownBy(() -> model.run(Map.of()))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("tensor 'w' has its elements in '" + location);
    }
    assertThat(external(home, "weights", 8).run(Map.of()).get("w").toFloatArray())
        .containsExactly(0, 0);
    OnnxModel truncated = external(home, "weights", 16);
    assertThatThrownBy(() -> truncated.run(Map.of())).hasMessageContaining("which has 8");
  }

  private static OnnxModel external(Path home, String location, long length) throws IOException {
    ProtoWriter tensor =
        Models.tensor("w", 1, 2)
            .message(13, new ProtoWriter().string(1, "location").string(2, location))
            .message(13, new ProtoWriter().string(1, "length").string(2, "" + length))
            .varint(14, 1);
    Path file = home.resolve("model.onnx");
    Files.write(file, new Models().constant(tensor).output(Models.value("w", 1, 2)).bytes());
    return OnnxModel.load(file);
  }
}
