package io.quern.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;

/** Our answers beside those of the oracle. */
final class Comparison {
  private Comparison() {}

  /** Asserts that all of ids, offsets, types and masks are equal on all lines. */
  static void encodings(String json, List<String> lines) {
    Tokenizer ours = Tokenizer.parse(json);
    List<String> differences = new ArrayList<>();
    try (Oracle oracle = new Oracle(json)) {
      for (String line : lines) {
        add(differences, line, Oracle.answer(ours.encode(line)), oracle.encode(line, true));
      }
    }
    assertNone(differences, lines.size());
  }

  /** The same for pairs of neighbouring lines, with and without special tokens. */
  static void pairs(String json, List<String> lines) {
    Tokenizer ours = Tokenizer.parse(json);
    Tokenizer bare = ours.withSpecialTokens(false);
    List<String> differences = new ArrayList<>();
    try (Oracle oracle = new Oracle(json)) {
      for (int i = 0; i + 1 < lines.size(); i += 2) {
        String first = lines.get(i);
        String second = lines.get(i + 1);
        add(
            differences,
            first,
            Oracle.answer(ours.encode(first, second)),
            oracle.encode(first, second, true));
        add(
            differences,
            first,
            Oracle.answer(bare.encode(first, second)),
            oracle.encode(first, second, false));
        add(differences, first, Oracle.answer(bare.encode(first)), oracle.encode(first, false));
      }
    }
    assertNone(differences, lines.size());
  }

  /** Asserts that the ids of all lines, and ids at random, decode to the same text. */
  static void decodings(String json, List<String> lines, long seed) {
    Tokenizer ours = Tokenizer.parse(json);
    var random = new java.util.SplittableRandom(seed);
    List<String> differences = new ArrayList<>();
    try (Oracle oracle = new Oracle(json)) {
      for (String line : lines) {
        int[] ids = ours.encode(line).ids();
        int[] others = random.ints(random.nextInt(1, 20), 0, ours.vocabSize()).toArray();
        for (int[] each : List.of(ids, others)) {
          for (boolean skip : new boolean[] {false, true}) {
            if (each.length > 0) {
              add(differences, line, ours.decode(each, skip), oracle.decode(each, skip));
            }
          }
        }
      }
    }
    assertNone(differences, lines.size());
  }

  private static void add(List<String> differences, String line, Object ours, Object theirs) {
    if (!ours.equals(theirs)) {
      differences.add("%s%n  ours   %s%n  theirs %s".formatted(escaped(line), ours, theirs));
    }
  }

  private static void assertNone(List<String> differences, int lines) {
    List<String> some = differences.subList(0, Math.min(5, differences.size()));
    assertThat(some).as("%d differences on %d lines", differences.size(), lines).isEmpty();
  }

  private static String escaped(String line) {
    StringBuilder text = new StringBuilder();
    line.chars()
        .forEach(c -> text.append(c > ' ' && c < 0x7F ? "" + (char) c : "\\u%04X".formatted(c)));
    return text.toString();
  }
}
