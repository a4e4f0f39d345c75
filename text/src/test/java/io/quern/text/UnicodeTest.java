package io.quern.text;

import static io.quern.text.Examples.bertNormalizer;
import static io.quern.text.Examples.of;
import static io.quern.text.Examples.split;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every code point on its own beside the oracle. */
class UnicodeTest {
  /** Between what is not changed and never joined with a neighbour. */
  private static final String BETWEEN = "\u0001";

  static Stream<Map<String, ?>> normalizers() {
    return Stream.of(
        of("NFC"),
        of("NFD"),
        of("NFKC"),
        of("NFKD"),
        of("Lowercase"),
        of("StripAccents"),
        of("Nmt"),
        of("Strip", "strip_left", true, "strip_right", true),
        bertNormalizer(true, false, false, false),
        bertNormalizer(false, true, false, false),
        bertNormalizer(false, false, true, false));
  }

  @ParameterizedTest
  @MethodSource("normalizers")
  void normalizesEveryCodePointAsTheOracle(Map<String, ?> normalizer) {
    compare(Examples.componentFile(normalizer, null), Character::toString);
  }

  /** Marks of a different class before and after show how each code point sorts. */
  @ParameterizedTest
  @MethodSource("normalizers")
  void normalizesEveryCodePointAmongMarksAsTheOracle(Map<String, ?> normalizer) {
    compare(
        Examples.componentFile(normalizer, null),
        c -> "o\u0345\u0301" + Character.toString(c) + "\u0334\u0323\u0F71\u3099");
  }

  static Stream<Map<String, ?>> preTokenizers() {
    return Stream.of(
        of("BertPreTokenizer"),
        of("Whitespace"),
        of("WhitespaceSplit"),
        of("Digits", "individual_digits", true),
        split("\\p{L}+|\\p{N}|\\s", "Isolated", false),
        split("(?i:'s|k)", "Isolated", false));
  }

  @ParameterizedTest
  @MethodSource("preTokenizers")
  void splitsAtEveryCodePointAsTheOracle(Map<String, ?> preTokenizer) {
    String file =
        Examples.file(null, preTokenizer, Examples.unigramOfRuns(), null, null);
    compare(file, c -> BETWEEN + Character.toString(c) + "'" + Character.toString(c) + "a");
  }

  /** Compares 64 code points at a time, and those that differ one by one. */
  private static void compare(String json, IntFunction<String> text) {
    Tokenizer ours = Tokenizer.parse(json);
    try (Oracle oracle = new Oracle(json)) {
      List<String> different =
          IntStream.rangeClosed(0, Character.MAX_CODE_POINT >> 6)
              .map(block -> block << 6)
              .filter(c -> c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE)
              .mapToObj(
                  c -> IntStream.range(c, c + 64).mapToObj(text).toArray(String[]::new))
              .filter(texts -> differs(ours, oracle, String.join(BETWEEN, texts)))
              .flatMap(Arrays::stream)
              .filter(each -> differs(ours, oracle, each))
              .map(Comparison::escaped)
              .toList();
      assertThat(different).isEmpty();
    }
  }

  private static boolean differs(Tokenizer ours, Oracle oracle, String text) {
    return !Oracle.answer(ours.encode(text)).equals(oracle.encode(text, true));
  }
}
