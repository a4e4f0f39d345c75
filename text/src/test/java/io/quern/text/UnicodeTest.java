package io.quern.text;

import static io.quern.text.Examples.bertNormalizer;
import static io.quern.text.Examples.component;
import static io.quern.text.Examples.split;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Code points on their own beside the oracle. */
class UnicodeTest {
  /** Between what is not changed and never joined with a neighbour. */
  private static final String BETWEEN = "\u0001";

  private static boolean isAny(int c) {
    return true;
  }

  /**
   * All that Unicode has but most ideographs, syllables and private characters, and some others.
   */
  private static boolean isSelected(int c) {
    return c % 64 == 0
        || (Character.isDefined(c)
            && !Character.isIdeographic(c)
            && (c < 0xAC00 || c > 0xD7FF)
            && Character.getType(c) != Character.PRIVATE_USE);
  }

  static Stream<Map<String, ?>> normalizers() {
    return Stream.of(
        component("NFC"),
        component("NFD"),
        component("NFKC"),
        component("NFKD"),
        component("Lowercase"),
        component("StripAccents"),
        component("Nmt"),
        component("Strip", "strip_left", true, "strip_right", true),
        bertNormalizer(true, false, false, false),
        bertNormalizer(false, true, false, false),
        bertNormalizer(false, false, true, false));
  }

  @ParameterizedTest
  @MethodSource("normalizers")
  void normalizesCodePointsAsTheOracle(Map<String, ?> normalizer) {
    compare(Examples.componentFile(normalizer, null), Character::toString, UnicodeTest::isSelected);
  }

  @Tag("soak")
  @ParameterizedTest
  @MethodSource("normalizers")
  void normalizesEveryCodePointAsTheOracle(Map<String, ?> normalizer) {
    compare(Examples.componentFile(normalizer, null), UnicodeTest::amongMarks, UnicodeTest::isAny);
  }

  static Stream<Map<String, ?>> forms() {
    return normalizers().limit(4);
  }

  @ParameterizedTest
  @MethodSource("forms")
  void sortsMarksAsTheOracle(Map<String, ?> form) {
    compare(Examples.componentFile(form, null), UnicodeTest::amongMarks, UnicodeTest::isMark);
  }

  /** Marks of different classes before and after show how a code point sorts. */
  private static String amongMarks(int c) {
    return "o\u0345\u0301" + Character.toString(c) + "\u0334\u0323\u0F71\u3099";
  }

  private static boolean isMark(int c) {
    return switch (Character.getType(c)) {
      case Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK -> true;
      default -> false;
    };
  }

  static Stream<Map<String, ?>> preTokenizers() {
    return Stream.of(
        component("BertPreTokenizer"),
        component("Whitespace"),
        component("WhitespaceSplit"),
        component("Digits", "individual_digits", true),
        split("\\p{L}+|\\p{N}|\\s", "Isolated", false),
        split("(?i:'s|k)", "Isolated", false));
  }

  @ParameterizedTest
  @MethodSource("preTokenizers")
  void splitsAtCodePointsAsTheOracle(Map<String, ?> preTokenizer) {
    String file = Examples.file(null, preTokenizer, Examples.unigramOfRuns(), null, null);
    compare(file, UnicodeTest::amongLetters, UnicodeTest::isSelected);
  }

  @Tag("soak")
  @ParameterizedTest
  @MethodSource("preTokenizers")
  void splitsAtEveryCodePointAsTheOracle(Map<String, ?> preTokenizer) {
    String file = Examples.file(null, preTokenizer, Examples.unigramOfRuns(), null, null);
    compare(file, UnicodeTest::amongLetters, UnicodeTest::isAny);
  }

  private static String amongLetters(int c) {
    return BETWEEN + Character.toString(c) + "'" + Character.toString(c) + "a";
  }

  /** Compares 64 code points at a time, and those that differ one by one. */
  private static void compare(String json, IntFunction<String> text, IntPredicate wanted) {
    Tokenizer ours = Tokenizer.parse(json);
    try (Oracle oracle = new Oracle(json)) {
      List<String> different =
          IntStream.rangeClosed(0, Character.MAX_CODE_POINT >> 6)
              .map(block -> block << 6)
              .filter(c -> c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE)
              .mapToObj(
                  c ->
                      IntStream.range(c, c + 64)
                          .filter(wanted)
                          .mapToObj(text)
                          .toArray(String[]::new))
              .filter(texts -> texts.length > 0)
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
