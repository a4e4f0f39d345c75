package io.quern.text;

import java.util.List;
import org.junit.jupiter.api.Test;

class WordPieceTest {
  private static final List<String> LINES = Corpus.lines(5000, 1);

  @Test
  void encodesAsTheOracle() {
    Comparison.encodings(Examples.bge(), LINES);
  }

  @Test
  void cutsAndFillsAsTheOracle() {
    Comparison.encodings(Examples.miniLm(), LINES.subList(0, 2000));
    Comparison.pairs(Examples.miniLm(), LINES.subList(0, 1000));
  }

  @Test
  void decodesAsTheOracle() {
    Comparison.decodings(Examples.bge(), LINES.subList(0, 1000), 2);
  }
}
