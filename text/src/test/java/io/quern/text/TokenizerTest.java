package io.quern.text;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whole tokenizers beside the oracle. */
class TokenizerTest {
  private static final List<String> LINES = Corpus.lines(2500, 1);

  @ParameterizedTest
  @MethodSource("io.quern.text.Examples#names")
  void encodesAsTheOracle(String name) {
    Comparison.encodings(Examples.named(name), LINES);
  }

  @ParameterizedTest
  @MethodSource("io.quern.text.Examples#names")
  void encodesPairsAsTheOracle(String name) {
    Comparison.pairs(Examples.named(name), LINES.subList(0, 400));
  }

  @ParameterizedTest
  @MethodSource("io.quern.text.Examples#names")
  void decodesAsTheOracle(String name) {
    Comparison.decodings(Examples.named(name), LINES.subList(0, 400), 2);
  }

  @Tag("soak")
  @ParameterizedTest
  @MethodSource("io.quern.text.Examples#names")
  void encodesManyLinesAsTheOracle(String name) {
    Comparison.encodings(Examples.named(name), Corpus.lines(100_000, 3));
  }
}
