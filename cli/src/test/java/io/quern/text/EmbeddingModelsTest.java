package io.quern.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OrtException;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.onnx.OnnxException;
import io.quern.onnx.OnnxRuntime;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Embeddings by models from Maven Central are those of ONNX Runtime, text by text. */
class EmbeddingModelsTest {
  private static final String MINILM = "/all-minilm-l6-v2";
  private static final int LIMIT = 384;
  private static final List<String> TEXTS = texts();

  /** Of 2 tokens to more than {@link #LIMIT}, long ones beside short ones. */
  private static List<String> texts() {
    List<String> seeds =
        List.of(
            "",
            "Hi",
            "How do I mend a bicycle?",
            "naïve café, Ünïcödé and ﬁligree",
            "東京の天気は晴れです。明日は雨でしょう。",
            "😀 👩‍👩‍👧 emoji \u200d joined",
            "for (int i = 0; i < n; i++) { sum += a[i] * b[i]; }",
            "Ceci n'est pas une pipe; das ist auch keine.",
            "The quick brown fox jumps over the lazy dog while the moon pulls at the sea.",
            "1,234,567.89 EUR on 2024-02-29 at 23:59:60 UTC+14");
    List<String> texts = new ArrayList<>();
    for (int copies : new int[] {1, 3, 2, 31, 5}) {
      for (String seed : seeds) {
        texts.add((seed + " ").repeat(copies).strip());
      }
    }
    return texts;
  }

  @ParameterizedTest
  @CsvSource({MINILM + ", MEAN", "/bge-small-en-v1.5, CLS"})
  void floatModels(String name, Pooling pooling) throws Exception {
    TextEmbedder embedder = embedder(name).withPooling(pooling);
    float[][] found = embedder.embed(TEXTS);
    assertThat(found).hasDimensions(TEXTS.size(), embedder.dimensions());
    double[][] expected = expected(name, pooling);
    for (int i = 0; i < expected.length; i++) {
      for (int d = 0; d < expected[i].length; d++) {
        assertThat((double) found[i][d])
            .as("%d of text %d", d, i)
            .isCloseTo(expected[i][d], within(1e-5));
      }
      assertThat(cosine(found[i], expected[i])).isGreaterThanOrEqualTo(0.99999);
    }
  }

  /**
   * Values next to a boundary of the dynamic quantisation fall on either side of it, from where on
   * two engines differ; by less than what quantising has changed. Tokens that a text is filled up
   * with take part in the scale, so that all values round anew. That this is no more than twice as
   * much was seen, not derived.
   */
  @Test
  void quantisedModel() throws Exception {
    TextEmbedder embedder = embedder(MINILM + "-q");
    Tokenizer tokenizer = tokenizer(MINILM + "-q");
    float[][] filled = embedder.embed(TEXTS);
    double[][] expected = expected(MINILM + "-q", Pooling.MEAN);
    double[][] exact = expected(MINILM, Pooling.MEAN);
    double ours = 1;
    double quantising = 1;
    double filling = 1;
    for (int i = 0; i < expected.length; i++) {
      int tokens = tokenizer.encode(TEXTS.get(i)).size();
      float[] unfilled = embedder.withMaxLength(tokens).embed(TEXTS.get(i));
      ours = Math.min(ours, cosine(unfilled, expected[i]));
      quantising = Math.min(quantising, cosine(toFloats(exact[i]), expected[i]));
      filling = Math.min(filling, cosine(filled[i], exact[i]));
    }
    assertThat(ours).isGreaterThan(quantising);
    assertThat(1 - filling).isLessThan(2 * (1 - quantising));
  }

  @ParameterizedTest
  @ValueSource(strings = {MINILM, MINILM + "-q"})
  void textsKeepTheirBitsAmongOthers(String name) {
    TextEmbedder embedder = embedder(name);
    float[][] together = embedder.embed(TEXTS);
    float[][] reversed = embedder.embed(TEXTS.reversed());
    for (int i = 0; i < together.length; i++) {
      assertThat(embedder.embed(TEXTS.get(i))).as("text %d", i).isEqualTo(together[i]);
      assertThat(reversed[together.length - 1 - i]).as("text %d", i).isEqualTo(together[i]);
    }
  }

  @Test
  void servesManyThreads() throws Exception {
    TextEmbedder embedder = embedder(MINILM);
    List<String> texts = TEXTS.subList(0, 20);
    float[][] expected = embedder.embed(texts);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<float[]>> found =
          threads.invokeAll(
              IntStream.range(0, 100)
                  .mapToObj(i -> (Callable<float[]>) () -> embedder.embed(texts.get(i % 20)))
                  .toList());
      for (int i = 0; i < 100; i++) {
        assertThat(found.get(i).get()).isEqualTo(expected[i % 20]);
      }
    }
  }

  @Test
  void withoutNormalisationTheMeanRemains() {
    TextEmbedder embedder = embedder(MINILM);
    float[] unit = embedder.embed(TEXTS.get(2));
    float[] mean = embedder.withNormalization(false).embed(TEXTS.get(2));
    assertThat(norm(unit)).isCloseTo(1, within(1e-6));
    assertThat(Math.abs(norm(mean) - 1)).isGreaterThan(0.1);
    assertThat(TextEmbedder.similarity(unit, mean)).isCloseTo(1, within(1e-6));
  }

  @Test
  void moreTokensThanTheModelReadsFail() {
    TextEmbedder embedder = embedder(MINILM).withMaxLength(600);
    assertThatThrownBy(() -> embedder.embed("word ".repeat(700)))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("texts of 600 tokens")
        .hasMessageContaining("does it read as many");
    assertThat(embedder.withMaxLength(512).embed("word ".repeat(700))).hasSize(384);
  }

  private static TextEmbedder embedder(String name) {
    return TextEmbedder.loadResources(
            EmbeddingModelsTest.class, name + ".onnx", name + "-tokenizer.json")
        .withMaxLength(LIMIT);
  }

  private static Tokenizer tokenizer(String model) throws IOException {
    return Tokenizer.parse(new String(bytes(model + "-tokenizer.json"), StandardCharsets.UTF_8))
        .withPadding(null)
        .withTruncation(new Truncation(LIMIT, Truncation.Strategy.LONGEST_FIRST, Direction.RIGHT));
  }

  /** Each text alone and not filled up, pooled and normalised in double precision. */
  private static double[][] expected(String model, Pooling pooling)
      throws IOException, OrtException {
    Tokenizer tokenizer = tokenizer(model);
    double[][] vectors = new double[TEXTS.size()][];
    try (OnnxRuntime runtime = new OnnxRuntime(bytes(model + ".onnx"))) {
      for (int i = 0; i < vectors.length; i++) {
        long[] ids = Arrays.stream(tokenizer.encode(TEXTS.get(i)).ids()).asLongStream().toArray();
        long[] mask = new long[ids.length];
        Arrays.fill(mask, 1);
        try (TensorScope _ = TensorScope.open()) {
          double[] states =
              runtime
                  .run(
                      Map.of(
                          "input_ids", Tensor.of(ids, 1, ids.length),
                          "attention_mask", Tensor.of(mask, 1, ids.length),
                          "token_type_ids", Tensor.of(new long[ids.length], 1, ids.length)))
                  .get("last_hidden_state");
          vectors[i] = pooled(states, ids.length, pooling);
        }
      }
    }
    return vectors;
  }

  private static double[] pooled(double[] states, int tokens, Pooling pooling) {
    int width = states.length / tokens;
    double[] vector = new double[width];
    double square = 0;
    for (int d = 0; d < width; d++) {
      for (int t = 0; t < (pooling == Pooling.CLS ? 1 : tokens); t++) {
        vector[d] += states[t * width + d];
      }
      square += vector[d] * vector[d];
    }
    double norm = Math.sqrt(square);
    return Arrays.stream(vector).map(value -> value / norm).toArray();
  }

  private static byte[] bytes(String resource) throws IOException {
    try (InputStream in = EmbeddingModelsTest.class.getResourceAsStream(resource)) {
      return in.readAllBytes();
    }
  }

  private static float[] toFloats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  private static double norm(float[] vector) {
    double square = 0;
    for (float value : vector) {
      square += (double) value * value;
    }
    return Math.sqrt(square);
  }

  private static double cosine(float[] a, double[] b) {
    double product = 0;
    double square = 0;
    for (int i = 0; i < b.length; i++) {
      product += a[i] * b[i];
      square += b[i] * b[i];
    }
    return product / (norm(a) * Math.sqrt(square));
  }
}
