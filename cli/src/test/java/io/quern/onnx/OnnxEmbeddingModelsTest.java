package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.conformance.Allocations;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import io.quern.plan.Plan;
import io.quern.runtime.Workers;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Models of sentence embeddings from Maven Central give what ONNX Runtime gives. */
class OnnxEmbeddingModelsTest {
  private static final int[][] SHAPES = {{1, 8}, {3, 17}, {2, 128}};
  private static final int TOKENS = 30_522;

  @ParameterizedTest
  @ValueSource(strings = {"/all-minilm-l6-v2.onnx", "/bge-small-en-v1.5.onnx"})
  void floatModels(String resource) throws Exception {
    byte[] bytes = bytes(resource);
    try (Arena arena = Arena.ofShared();
        OnnxRuntime runtime = new OnnxRuntime(bytes)) {
      OnnxModel model = model(resource, bytes, arena);
      for (int[] shape : SHAPES) {
        try (TensorScope _ = TensorScope.open()) {
          Map<String, Tensor> arguments = arguments(shape[0], shape[1]);
          double[] found = model.run(arguments).get("last_hidden_state").toDoubleArray();
          double[] expected = runtime.run(arguments).get("last_hidden_state");
          for (int i = 0; i < expected.length; i++) {
            assertThat(found[i])
                .as("%d of %dx%d", i, shape[0], shape[1])
                .isCloseTo(expected[i], within(1e-5));
          }
          assertThat(leastCosine(found, expected, 384)).isGreaterThanOrEqualTo(0.99999);
        }
      }
      assertThat(model.nodeByNode()).isEmpty();
    }
  }

  /**
   * Values next to a boundary of the dynamic quantisation fall on either side of it, from where on
   * two engines differ; by less than what quantising has changed.
   */
  @Test
  void quantisedModel() throws Exception {
    byte[] bytes = bytes("/all-minilm-l6-v2-q.onnx");
    try (Arena arena = Arena.ofShared();
        OnnxRuntime runtime = new OnnxRuntime(bytes);
        OnnxRuntime exact = new OnnxRuntime(bytes("/all-minilm-l6-v2.onnx"))) {
      OnnxModel model = model("minilm-q", bytes, arena);
      for (int[] shape : SHAPES) {
        try (TensorScope _ = TensorScope.open()) {
          Map<String, Tensor> arguments = arguments(shape[0], shape[1]);
          double[] found = model.run(arguments).get("last_hidden_state").toDoubleArray();
          double[] expected = runtime.run(arguments).get("last_hidden_state");
          double[] floats = exact.run(arguments).get("last_hidden_state");
          assertThat(leastCosine(found, expected, 384))
              .isGreaterThan(leastCosine(expected, floats, 384));
        }
      }
      assertThat(model.nodeByNode()).isEmpty();
    }
  }

  @Test
  void planIsMadeOfWholes() throws Exception {
    try (Arena arena = Arena.ofShared()) {
      OnnxModel model = model("minilm", bytes("/all-minilm-l6-v2.onnx"), arena);
      TensorSpec ids = new TensorSpec(DType.I64, Shape.of(2, 32));
      Plan plan = model.compile(List.of(ids, ids, ids)).plan();
      assertThat(plan.kernels().stream().filter(name -> name.startsWith("attention"))).hasSize(6);
      assertThat(plan.kernels().stream().filter(name -> name.startsWith("layer_norm"))).hasSize(13);
      assertThat(plan.kernels()).noneMatch(name -> name.startsWith("reduce"));
      // The products of the layers, whose weights are packed once.
      assertThat(plan.preparedBytes()).isGreaterThan(4L * 6 * 12 * 384 * 384 - 1);
      assertThat(plan.fallbacks()).isEmpty();
    }
  }

  @Test
  void warmRunAllocatesNothing() throws Exception {
    int threads = Workers.shared().threads();
    Workers.setThreads(1);
    try (Arena arena = Arena.ofShared();
        TensorScope _ = TensorScope.open()) {
      OnnxModel model = model("minilm", bytes("/all-minilm-l6-v2.onnx"), arena);
      Tensor[] inputs = arguments(1, 8).values().toArray(Tensor[]::new);
      Compiled compiled = model.compile(Stream.of(inputs).map(Tensor::spec).toList()).warmUp();
      Tensor[] results = {Tensor.zeros(1, 8, 384)};
      Allocations.requireAtMost(
          0,
          () -> {
            for (int i = 0; i < 20; i++) {
              compiled.runInto(inputs, results);
            }
          });
    } finally {
      Workers.setThreads(threads);
    }
  }

  private static byte[] bytes(String resource) throws IOException {
    try (InputStream in = OnnxEmbeddingModelsTest.class.getResourceAsStream(resource)) {
      return in.readAllBytes();
    }
  }

  private static OnnxModel model(String name, byte[] bytes, Arena arena) {
    MemorySegment memory = arena.allocate(bytes.length, 64);
    return OnnxModel.parse(name, memory.copyFrom(MemorySegment.ofArray(bytes)));
  }

  /** Sentences of different lengths, filled up with tokens that the mask hides. */
  private static Map<String, Tensor> arguments(int batch, int length) {
    SplittableRandom random = new SplittableRandom(batch * 1000 + length);
    long[] ids = new long[batch * length];
    long[] mask = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = random.nextInt(1, TOKENS);
      mask[i] = i % length < length - i / length * 3 ? 1 : 0;
    }
    Map<String, Tensor> arguments = new LinkedHashMap<>();
    arguments.put("input_ids", Tensor.of(ids).reshape(batch, length));
    arguments.put("attention_mask", Tensor.of(mask).reshape(batch, length));
    arguments.put("token_type_ids", Tensor.of(new long[ids.length]).reshape(batch, length));
    return arguments;
  }

  private static double leastCosine(double[] a, double[] b, int width) {
    double least = 1;
    for (int row = 0; row < a.length; row += width) {
      double product = 0;
      double sizeA = 0;
      double sizeB = 0;
      for (int i = row; i < row + width; i++) {
        product += a[i] * b[i];
        sizeA += a[i] * a[i];
        sizeB += b[i] * b[i];
      }
      least = Math.min(least, product / Math.sqrt(sizeA * sizeB));
    }
    return least;
  }
}
