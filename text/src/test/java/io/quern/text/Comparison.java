package io.quern.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.Predicate;

/** Our answers beside those of the oracle. */
final class Comparison {
  private Comparison() {}

  /** Asserts that all of ids, offsets, types and masks are equal on all lines. */
  static void encodings(String json, List<String> lines) {
    Tokenizer ours = Tokenizer.parse(json);
    try (Oracle oracle = new Oracle(json)) {
      compare(lines, line -> Oracle.answer(ours.encode(line)), line -> oracle.encode(line, true));
    }
  }

  /** The same for pairs of neighbouring lines, with and without special tokens. */
  static void pairs(String json, List<String> lines) {
    Tokenizer ours = Tokenizer.parse(json);
    Tokenizer bare = ours.withSpecialTokens(false);
    try (Oracle oracle = new Oracle(json)) {
      for (int i = 0; i + 1 < lines.size(); i += 2) {
        String second = lines.get(i + 1);
        List<String> first = List.of(lines.get(i));
        compare(
            first,
            line -> Oracle.answer(ours.encode(line, second)),
            line -> oracle.encode(line, second, true));
        compare(
            first,
            line -> Oracle.answer(bare.encode(line, second)),
            line -> oracle.encode(line, second, false));
        compare(
            first, line -> Oracle.answer(bare.encode(line)), line -> oracle.encode(line, false));
      }
    }
  }

  /** Asserts that the ids of all lines, and ids at random, decode to the same text. */
  static void decodings(String json, List<String> lines, long seed) {
    Tokenizer ours = Tokenizer.parse(json);
    var random = new SplittableRandom(seed);
    try (Oracle oracle = new Oracle(json)) {
      List<int[]> all = new ArrayList<>();
      for (String line : lines) {
        all.add(ours.encode(line).ids());
        all.add(random.ints(random.nextInt(1, 20), 0, ours.vocabSize()).toArray());
      }
      for (int[] ids : all) {
        for (boolean skip : new boolean[] {false, true}) {
          if (ids.length > 0) {
            assertThat(ours.decode(ids, skip))
                .as(Arrays.toString(ids))
                .isEqualTo(oracle.decode(ids, skip));
          }
        }
      }
    }
  }

  private static void compare(
      List<String> lines, Function<String, ?> ours, Function<String, ?> theirs) {
    List<String> different =
        lines.stream().filter(line -> !ours.apply(line).equals(theirs.apply(line))).toList();
    List<String> shortest =
        different.stream()
            .limit(5)
            .map(line -> shrink(line, each -> !ours.apply(each).equals(theirs.apply(each))))
            .map(
                line ->
                    "%s%n  ours   %s%n  theirs %s"
                        .formatted(escaped(line), ours.apply(line), theirs.apply(line)))
            .toList();
    assertThat(shortest)
        .as("%d of %d lines differ, such as", different.size(), lines.size())
        .isEmpty();
  }

  /** Takes parts out of a line as long as it fails. */
  private static String shrink(String line, Predicate<String> fails) {
    String current = line;
    for (int size = Math.max(1, line.length() / 2); size > 0; size /= 2) {
      for (int i = 0; i + size <= current.length(); ) {
        String less = current.substring(0, i) + current.substring(i + size);
        if (fails.test(less)) {
          current = less;
        } else {
          i++;
        }
      }
    }
    return current;
  }

  static String escaped(String line) {
    StringBuilder text = new StringBuilder();
    line.chars()
        .forEach(c -> text.append(c > ' ' && c < 0x7F ? "" + (char) c : "\\u%04X".formatted(c)));
    return text.toString();
  }
}
