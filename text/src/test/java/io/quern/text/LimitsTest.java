package io.quern.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.json.Json;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Truncation and padding. */
class LimitsTest {
  private static final List<String> LINES = Corpus.lines(60, 21);

  static Stream<Map<String, ?>> truncations() {
    return Stream.of("LongestFirst", "OnlyFirst", "OnlySecond")
        .flatMap(
            strategy -> Stream.of("Left", "Right").map(direction -> List.of(strategy, direction)))
        .flatMap(
            each ->
                Stream.of(3, 4, 7, 10, 25, 80)
                    .map(
                        length ->
                            Map.of(
                                "strategy",
                                each.get(0),
                                "direction",
                                each.get(1),
                                "max_length",
                                length,
                                "stride",
                                0)));
  }

  @ParameterizedTest
  @MethodSource("truncations")
  void truncatesAsTheOracle(Map<String, ?> truncation) {
    String json = with(truncation, null);
    Tokenizer ours = Tokenizer.parse(json);
    try (Oracle oracle = new Oracle(json)) {
      for (int i = 0; i + 1 < LINES.size(); i++) {
        String first = LINES.get(i);
        String second = LINES.get(i + 1);
        assertThat(answer(() -> Oracle.answer(ours.encode(first, second))))
            .isEqualTo(answer(() -> oracle.encode(first, second, true)));
        assertThat(answer(() -> Oracle.answer(ours.encode(first))))
            .isEqualTo(answer(() -> oracle.encode(first, true)));
      }
    }
  }

  /** What is said, or that it is refused. */
  private static Object answer(java.util.function.Supplier<Object> attempt) {
    try {
      return attempt.get();
    } catch (RuntimeException e) {
      return "refused";
    }
  }

  static Stream<Map<String, ?>> paddings() {
    return Stream.<Object>of("BatchLongest", Map.of("Fixed", 3), Map.of("Fixed", 30))
        .flatMap(
            strategy -> Stream.of("Left", "Right").map(direction -> List.of(strategy, direction)))
        .flatMap(
            each ->
                Stream.of(0, 1, 8)
                    .map(
                        multiple ->
                            Map.of(
                                "strategy",
                                each.get(0),
                                "direction",
                                each.get(1),
                                "pad_to_multiple_of",
                                multiple,
                                "pad_id",
                                9,
                                "pad_type_id",
                                4,
                                "pad_token",
                                "[PAD]")));
  }

  @ParameterizedTest
  @MethodSource("paddings")
  void padsAsTheOracle(Map<String, ?> padding) {
    String json =
        with(
            Map.of("strategy", "LongestFirst", "direction", "Right", "max_length", 40, "stride", 0),
            padding);
    Comparison.encodings(json, LINES);
    Tokenizer ours = Tokenizer.parse(json);
    try (Oracle oracle = new Oracle(json)) {
      for (int i = 0; i + 4 < LINES.size(); i += 5) {
        List<String> batch = LINES.subList(i, i + 5);
        assertThat(ours.encodeBatch(batch).stream().map(Oracle::answer).toList())
            .isEqualTo(oracle.encodeBatch(batch));
      }
    }
  }

  @Test
  void limitsCanBeChanged() {
    Tokenizer tokenizer = Tokenizer.parse(Examples.miniLm());
    assertThat(tokenizer.encode("a b c d e f").size()).isEqualTo(128);
    Tokenizer bare = tokenizer.withPadding(null).withSpecialTokens(false);
    assertThat(bare.encode("a b c d e f").size()).isEqualTo(6);
    Tokenizer cut =
        bare.withTruncation(new Truncation(4, Truncation.Strategy.ONLY_FIRST, Direction.LEFT));
    assertThat(cut.encode("a b c d e f").ids()).isEqualTo(bare.encode("c d e f").ids());
    assertThat(tokenizer.encode("a b c d e f").size()).isEqualTo(128);
  }

  @Test
  void truncationThatCannotCutIsRefused() {
    Tokenizer tokenizer =
        Tokenizer.parse(Examples.bge())
            .withTruncation(new Truncation(4, Truncation.Strategy.ONLY_SECOND, Direction.RIGHT));
    assertThatThrownBy(() -> tokenizer.encode("a b c d e f"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("there is no second text");
    assertThatThrownBy(() -> tokenizer.encode("a b c d e f", "g"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("the text has 1 tokens");
  }

  @SuppressWarnings("unchecked")
  private static String with(
      @Nullable Map<String, ?> truncation, @Nullable Map<String, ?> padding) {
    Map<String, @Nullable Object> file =
        (Map<String, @Nullable Object>) Json.parse(Examples.named("bert-cased"));
    file.put("truncation", truncation);
    file.put("padding", padding);
    return Json.write(file);
  }
}
