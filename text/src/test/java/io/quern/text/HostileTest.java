package io.quern.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.io.FormatException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Bad files, bad arguments, many threads. */
class HostileTest {
  static Stream<Arguments> badFiles() {
    Map<String, ?> model = Examples.unigramOfRuns();
    return Stream.of(
        Arguments.of("", "no value"),
        Arguments.of("{", "malformed JSON"),
        Arguments.of("[]", "expected an object"),
        Arguments.of("{}", "model"),
        Arguments.of(
            "{\"model\": {\"type\": \"Neural\"}}", "model: unknown type Neural; supported"),
        Arguments.of(
            Examples.file(Examples.component("Rot13"), null, model, null, null),
            "normalizer: unknown type Rot13; supported are BertNormalizer"),
        Arguments.of(
            Examples.file(
                Examples.steps(
                    "normalizers", Examples.component("NFC"), Examples.component("Rot13")),
                null,
                model,
                null,
                null),
            "normalizer.normalizers[1]: unknown type Rot13"),
        Arguments.of(
            Examples.file(null, Examples.component("UnicodeScripts"), model, null, null),
            "pre_tokenizer: unknown type UnicodeScripts; supported are BertPreTokenizer"),
        Arguments.of(
            Examples.file(null, Examples.split("(", "Isolated", false), model, null, null),
            "pre_tokenizer.pattern: Unclosed group"),
        Arguments.of(
            Examples.file(null, Examples.split("\\X", "Isolated", false), model, null, null),
            "\\X is not supported"),
        Arguments.of(
            Examples.file(null, Examples.split("a{2}+", "Isolated", false), model, null, null),
            "an interval that is repeated itself"),
        Arguments.of(
            Examples.file(null, Examples.split("a", "Sideways", false), model, null, null),
            "pre_tokenizer.behavior: expected one of"),
        Arguments.of(
            Examples.file(null, null, model, Examples.component("Stamp"), null),
            "post_processor: unknown type Stamp"),
        Arguments.of(
            Examples.file(null, null, model, null, Examples.component("Enigma")),
            "decoder: unknown type Enigma"),
        Arguments.of(
            Examples.file(
                Examples.component("Precompiled", "precompiled_charsmap", "AAAA"),
                null,
                model,
                null,
                null),
            "normalizer.precompiled_charsmap: not a character map"),
        Arguments.of(
            Examples.file(
                null,
                null,
                Examples.component("Unigram", "unk_id", 7, "vocab", List.of(List.of("a", 0.0))),
                null,
                null),
            "model: unk_id is 7 of 1 tokens"),
        Arguments.of(
            Examples.file(
                null,
                null,
                Examples.bpe(new Trainer.Bpe(List.of("a", "b"), List.of("a b"))),
                null,
                null),
            "model.merges: entry 0 joins a and b"),
        Arguments.of(
            Examples.file(
                null,
                null,
                Examples.bpe(new Trainer.Bpe(List.of("a", "b"), List.of()), "dropout", 0.1),
                null,
                null),
            "model.dropout: unknown value 0.1"));
  }

  @ParameterizedTest
  @MethodSource("badFiles")
  void badFilesAreNamed(String json, String message, @TempDir Path directory) throws Exception {
    Path file = Files.writeString(directory.resolve("bad.json"), json);
    assertThatThrownBy(() -> Tokenizer.load(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(message);
  }

  /** Whatever is cut out of a file or changed in it, a file is read or refused, no more. */
  @Test
  void damagedFilesAreReadOrRefused() {
    String json = Examples.named("xlm-roberta");
    SplittableRandom random = new SplittableRandom(9);
    int refused = 0;
    for (int i = 0; i < 300; i++) {
      StringBuilder damaged = new StringBuilder(json);
      for (int change = random.nextInt(4); change >= 0; change--) {
        int at = random.nextInt(damaged.length());
        switch (random.nextInt(3)) {
          case 0 -> damaged.delete(at, Math.min(damaged.length(), at + random.nextInt(30)));
          case 1 -> damaged.setCharAt(at, (char) random.nextInt(0x20, 0x7F));
          default -> damaged.insert(at, damaged.substring(at, Math.min(damaged.length(), at + 9)));
        }
      }
      try {
        assertThat(Tokenizer.parse(damaged.toString()).encode("hello").size()).isPositive();
      } catch (FormatException e) {
        refused++;
      }
    }
    assertThat(refused).isBetween(100, 299);
  }

  @Test
  void missingFileIsNamed(@TempDir Path directory) {
    Path file = directory.resolve("absent.json");
    assertThatThrownBy(() -> Tokenizer.load(file))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(file.toString());
  }

  @Test
  @SuppressWarnings("NullAway")
  void nullsAreNamed() {
    Tokenizer tokenizer = Tokenizer.parse(Examples.bge());
    assertThatThrownBy(() -> tokenizer.encode(null)).hasMessage("tokenizer: the text is null");
    assertThatThrownBy(() -> tokenizer.encode("a", null))
        .hasMessage("tokenizer: the second text is null");
  }

  @Test
  void idsWithoutTokensAreNamed() {
    Tokenizer tokenizer = Tokenizer.parse(Examples.bge());
    assertThat(tokenizer.vocabSize()).isEqualTo(30522);
    for (int id : new int[] {-1, 30522, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      assertThatThrownBy(() -> tokenizer.decode(new int[] {101, id}, true))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("tokenizer: no token has the id " + id + "; there are 30522 tokens");
    }
  }

  @Test
  void tokensAndIdsBelongTogether() {
    Tokenizer tokenizer = Tokenizer.parse(Examples.bge());
    for (int id = 0; id < tokenizer.vocabSize(); id++) {
      assertThat(tokenizer.tokenId(tokenizer.token(id))).isEqualTo(id);
    }
    assertThat(tokenizer.tokenId("[CLS]")).isEqualTo(101);
    assertThat(tokenizer.tokenId("no such token")).isEqualTo(-1);
  }

  @Test
  void offsetsCountCharactersOfTheString() {
    Encoding encoding = Tokenizer.parse(Examples.bge()).encode("😀 café, \uD800x");
    assertThat(encoding.start(2)).isEqualTo(3);
    assertThat(encoding.end(2)).isEqualTo(7);
    assertThat(encoding.start(0)).isZero();
    assertThat(encoding.end(0)).isZero();
  }

  @Test
  void emptyTextHasSpecialTokensOnly() {
    Tokenizer tokenizer = Tokenizer.parse(Examples.bge());
    assertThat(tokenizer.encode("").ids()).containsExactly(101, 102);
    assertThat(tokenizer.decode(new int[0], false)).isEmpty();
  }

  /** One text of 60,000 characters, without spaces, is one word for some models. */
  @ParameterizedTest
  @MethodSource("io.quern.text.Examples#names")
  void longTextsAreEncoded(String name) {
    Tokenizer tokenizer =
        Tokenizer.parse(Examples.named(name)).withTruncation(null).withPadding(null);
    String text = "abcé漢😀".repeat(10_000);
    Encoding encoding = tokenizer.encode(text);
    assertThat(encoding.size()).isPositive();
  }

  @Test
  void threadsGetTheSameIds() throws Exception {
    List<String> lines = Corpus.lines(500, 31);
    Tokenizer shared = Tokenizer.parse(Examples.named("llama3"));
    Tokenizer alone = Tokenizer.parse(Examples.named("llama3"));
    List<Oracle.Answer> expected = lines.stream().map(line -> answer(alone, line)).toList();
    Callable<List<Oracle.Answer>> work =
        () -> lines.stream().map(line -> answer(shared, line)).toList();
    try (ExecutorService executor = Executors.newFixedThreadPool(4)) {
      List<Future<List<Oracle.Answer>>> futures = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        futures.add(executor.submit(work));
      }
      for (Future<List<Oracle.Answer>> future : futures) {
        assertThat(future.get()).isEqualTo(expected);
      }
    }
  }

  private static Oracle.Answer answer(Tokenizer tokenizer, String line) {
    return Oracle.answer(tokenizer.encode(line));
  }
}
