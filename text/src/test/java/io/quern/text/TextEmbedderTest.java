package io.quern.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.io.FormatException;
import io.quern.onnx.Models;
import io.quern.onnx.OnnxException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pooling, limits, files and complaints, with a model that looks vectors up in a table. */
class TextEmbedderTest {
  private static final String TOKENIZER =
      """
      {"model": {"type": "WordLevel", "unk_token": "?",
                 "vocab": {"?": 0, "north": 1, "east": 2, "far": 3}},
       "pre_tokenizer": {"type": "Whitespace"}}
      """;

  /** The vectors of the tokens above, [0, 0], [2, 0], [0, 2] and [6, 8]; masked ones are NaN. */
  private static Models table(String ids, String mask, String types, String output) {
    Models models =
        new Models()
            .constant(Models.floats("table", new float[] {0, 0, 2, 0, 0, 2, 6, 8}, 4, 2))
            .constant(Models.longs("last", 2))
            .output(Models.value(output, 1, 0, 0, 2));
    for (String input : List.of(ids, mask, types)) {
      models = input.isEmpty() ? models : models.input(Models.value(input, 7, 0, 0));
    }
    return models
        .add(Models.node("Gather", "table " + ids, "found"))
        .add(Models.node("Cast", mask, "kept", "to", 1))
        .add(Models.node("Div", "kept kept", "finite"))
        .add(Models.node("Unsqueeze", "finite last", "wide"))
        .add(Models.node("Mul", "found wide", output));
  }

  private static TextEmbedder embedder() {
    return TextEmbedder.of(
        table("input_ids", "attention_mask", "", "states").model(), Tokenizer.parse(TOKENIZER));
  }

  @Test
  void meanOfTokensWithoutFilling() {
    TextEmbedder plain = embedder().withNormalization(false);
    assertThat(plain.embed("north east far")).containsExactly(8 / 3f, 10 / 3f);
    assertThat(plain.withPooling(Pooling.CLS).embed("north east far")).containsExactly(2, 0);
    assertThat(embedder().embed("far far far")).containsExactly(0.6f, 0.8f);
    assertThat(embedder().embed("nowhere")).as("zeros have no direction").containsExactly(0, 0);
    assertThat(plain.dimensions()).isEqualTo(2);
  }

  @Test
  void closingEndsAllThatShareTheModel() {
    TextEmbedder other;
    try (TextEmbedder embedder = embedder()) {
      other = embedder.withPooling(Pooling.CLS);
      assertThat(other.embed("north east")).containsExactly(1, 0);
    }
    assertThatThrownBy(() -> other.embed("north east"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("the model was closed; load it anew");
  }

  @Test
  void resultsAreInTheOrderOfTexts() {
    float[][] found =
        embedder()
            .embed(List.of("north ".repeat(9), "east", "north ".repeat(40), "east ".repeat(9)));
    assertThat(found).isDeepEqualTo(new float[][] {{1, 0}, {0, 1}, {1, 0}, {0, 1}});
    assertThat(embedder().embed(List.of())).isEmpty();
  }

  @Test
  void longTextsAreCutOrRefused() {
    TextEmbedder two = embedder().withNormalization(false).withMaxLength(2);
    assertThat(two.maxLength()).isEqualTo(2);
    assertThat(two.embed("north north far")).containsExactly(2, 0);
    assertThat(two.withTruncation(false).embed("north far")).containsExactly(4, 4);
    assertThatThrownBy(() -> two.withTruncation(false).embed(List.of("east", "north north far")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "embed: text 1 has 3 tokens, the most is 2; shorten it or cut it by withTruncation");
    assertThatThrownBy(() -> two.withMaxLength(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("embed: a text has at least 1 tokens, the limit is 0");
  }

  @Test
  void textsThatAreNoneAreRefused() {
    assertThatThrownBy(() -> embedder().embed((String) null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("embed: the text is null");
    assertThatThrownBy(() -> embedder().embed(Arrays.asList("east", null)))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("embed: text 1 of the list is null");
    assertThatThrownBy(() -> embedder().embed(""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("embed: text 0 has no tokens");
  }

  @Test
  void similarityIsTheCosine() {
    assertThat(TextEmbedder.similarity(new float[] {3, 0}, new float[] {1, 1}))
        .isCloseTo(Math.sqrt(0.5), within(1e-15));
    assertThat(TextEmbedder.similarity(new float[] {0, 0}, new float[] {1, 1})).isZero();
    assertThatThrownBy(() -> TextEmbedder.similarity(new float[2], new float[3]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("2 dimensions, the other 3");
  }

  @Test
  void inputsAndOutputAreFoundByName() {
    Tokenizer tokenizer = Tokenizer.parse(TOKENIZER);
    Models all = table("input_ids", "attention_mask", "token_type_ids", "x");
    assertThat(TextEmbedder.of(all.model(), tokenizer).embed("north")).containsExactly(1, 0);
    assertThatThrownBy(
            () -> TextEmbedder.of(table("ids", "attention_mask", "", "x").model(), tokenizer))
        .isInstanceOf(OnnxException.class)
        .hasMessage("embed: the model has no input 'input_ids', only [ids, attention_mask]");
    assertThatThrownBy(
            () -> TextEmbedder.of(table("input_ids", "mask", "", "x").model(), tokenizer))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("no input 'attention_mask'");
    assertThatThrownBy(
            () ->
                TextEmbedder.of(
                    table("input_ids", "attention_mask", "image", "x").model(), tokenizer))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("wants an input 'image'");
  }

  @Test
  void modelMustGiveVectorsOfTokens() {
    Tokenizer tokenizer = Tokenizer.parse(TOKENIZER);
    Models logits =
        new Models()
            .input(Models.value("input_ids", 7, 0, 0))
            .input(Models.value("attention_mask", 7, 0, 0))
            .output(Models.value("logits", 7, 0, 0))
            .add(Models.node("Add", "input_ids attention_mask", "logits"));
    assertThatThrownBy(() -> TextEmbedder.of(logits.model(), tokenizer))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("logits")
        .hasMessageContaining("expected a vector for each token");
  }

  @Test
  void tokensThatTheModelDoesNotKnowAreExplained() {
    Tokenizer other = Tokenizer.parse(TOKENIZER.replace("\"far\": 3", "\"far\": 9"));
    TextEmbedder embedder =
        TextEmbedder.of(table("input_ids", "attention_mask", "", "x").model(), other);
    assertThatThrownBy(() -> embedder.embed("far"))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("is the tokenizer its own");
  }

  @ParameterizedTest
  @ValueSource(strings = {"model.onnx", "onnx/model.onnx", "tiny.onnx"})
  void foldersAndJars(String model, @TempDir Path folder) throws IOException {
    write(folder, model, "tokenizer.json");
    assertThat(TextEmbedder.load(folder).embed("north")).containsExactly(1, 0);
    assertThat(
            TextEmbedder.load(folder.resolve(model), folder.resolve("tokenizer.json"))
                .embed("east"))
        .containsExactly(0, 1);
    Path jar = folder.resolve("model.jar");
    URI uri = URI.create("jar:" + jar.toUri());
    try (FileSystem files = FileSystems.newFileSystem(uri, Map.of("create", "true"))) {
      write(files.getPath("/"), model, "tiny-tokenizer.json");
    }
    assertThat(TextEmbedder.load(jar).embed("far")).containsExactly(0.6f, 0.8f);
  }

  private static void write(Path folder, String model, String tokenizer) throws IOException {
    Path file = folder.resolve(model);
    Files.createDirectories(file.getParent());
    Files.write(file, table("input_ids", "attention_mask", "", "x").bytes());
    Files.writeString(folder.resolve(tokenizer), TOKENIZER);
  }

  @Test
  void configurationsOfFolders(@TempDir Path folder) throws IOException {
    write(folder, "model.onnx", "tokenizer.json");
    Path pooling = Files.createDirectories(folder.resolve("1_Pooling")).resolve("config.json");
    Files.writeString(
        pooling,
        "{\"word_embedding_dimension\": 2, \"pooling_mode_cls_token\": true,"
            + " \"pooling_mode_mean_tokens\": false}");
    Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 3}");
    Path modules = folder.resolve("modules.json");
    Files.writeString(
        modules,
        "[{\"type\": \"sentence_transformers.models.Transformer\"},"
            + " {\"type\": \"sentence_transformers.models.Pooling\"}]");
    TextEmbedder embedder = TextEmbedder.load(folder);
    assertThat(embedder.pooling()).isEqualTo(Pooling.CLS);
    assertThat(embedder.maxLength()).isEqualTo(3);
    assertThat(embedder.embed("far")).containsExactly(6, 8);

    Files.writeString(modules, "[{\"type\": \"sentence_transformers.models.Dense\"}]");
    assertThatThrownBy(() -> TextEmbedder.load(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("sentence_transformers.models.Dense");
    Files.writeString(modules, "[{\"type\": \"sentence_transformers.models.Normalize\"}]");
    assertThat(TextEmbedder.load(folder).embed("far")).containsExactly(0.6f, 0.8f);
    Files.writeString(pooling, "{\"pooling_mode_max_tokens\": true}");
    assertThatThrownBy(() -> TextEmbedder.load(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("pooling_mode_max_tokens");
    Files.writeString(pooling, "{");
    assertThatThrownBy(() -> TextEmbedder.load(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("is this a 1_Pooling/config.json?");
  }

  @Test
  void filesThatAreMissingOrBroken(@TempDir Path folder) throws IOException {
    assertThatThrownBy(() -> TextEmbedder.load(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("has no model.onnx");
    assertThatThrownBy(() -> TextEmbedder.load(folder.resolve("missing")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("no such file or folder");
    Path text = Files.writeString(folder.resolve("text"), "no archive");
    assertThatThrownBy(() -> TextEmbedder.load(text))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("neither a folder nor a jar");
    write(folder, "a.onnx", "tokenizer.json");
    write(folder, "b.onnx", "tokenizer.json");
    assertThatThrownBy(() -> TextEmbedder.load(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("a.onnx")
        .hasMessageContaining("is not clear");
    write(folder, "model.onnx", "tokenizer.json");
    Files.writeString(folder.resolve("tokenizer.json"), TOKENIZER.substring(0, 60));
    assertThatThrownBy(() -> TextEmbedder.load(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("tokenizer.json");
    assertThatThrownBy(
            () -> TextEmbedder.load(folder.resolve("model.onnx"), folder.resolve("missing")))
        .isInstanceOf(UncheckedIOException.class);
    Files.write(folder.resolve("model.onnx"), new byte[] {1, 2, 3});
    Files.writeString(folder.resolve("tokenizer.json"), TOKENIZER);
    assertThatThrownBy(() -> TextEmbedder.load(folder)).isInstanceOf(FormatException.class);
    assertThatThrownBy(() -> TextEmbedder.loadResources(getClass(), "/x.onnx", "/x.json"))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("/x.json: no such resource");
  }
}
