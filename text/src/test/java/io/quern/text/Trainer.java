package io.quern.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Learns small vocabularies from text, for tokenizer files to test with. */
final class Trainer {
  /** Tokens in the order of their ids, and the merges that made those after the first ones. */
  record Bpe(List<String> tokens, List<String> merges) {
    Map<String, Object> vocabulary() {
      Map<String, Object> ids = new LinkedHashMap<>();
      tokens.forEach(token -> ids.put(token, (long) ids.size()));
      return ids;
    }
  }

  /** A word in pieces. */
  private static final class Word {
    private final int occurrences;
    private List<String> symbols;

    Word(List<String> symbols, int occurrences) {
      this.symbols = symbols;
      this.occurrences = occurrences;
    }

    boolean contains(String[] pair) {
      for (int i = 0; i + 1 < symbols.size(); i++) {
        if (symbols.get(i).equals(pair[0]) && symbols.get(i + 1).equals(pair[1])) {
          return true;
        }
      }
      return false;
    }

    /** Adds to the counts of pairs of neighbours. */
    void count(Map<String, Integer> pairs, int added) {
      for (int i = 0; i + 1 < symbols.size(); i++) {
        String pair = symbols.get(i) + " " + symbols.get(i + 1);
        pairs.merge(pair, added, (x, y) -> x + y == 0 ? null : x + y);
      }
    }
  }

  private Trainer() {}

  /**
   * Byte-pair encoding.
   *
   * @param words words, as often as they occur
   * @param first tokens that come before all others
   * @param prefix what symbols have in front that do not start a word
   * @param suffix what symbols have behind that end a word
   * @param count how many merges to learn
   */
  static Bpe bpe(List<String> words, List<String> first, String prefix, String suffix, int count) {
    Map<String, Integer> counts = new TreeMap<>();
    words.forEach(word -> counts.merge(word, 1, Integer::sum));
    Map<String, Integer> pairs = new HashMap<>();
    List<Word> splits = new ArrayList<>();
    Set<String> tokens = new LinkedHashSet<>(first);
    counts.forEach(
        (text, occurrences) -> {
          Word word = new Word(symbols(text, prefix, suffix), occurrences);
          splits.add(word);
          tokens.addAll(word.symbols);
          word.count(pairs, occurrences);
        });
    List<String> merges = new ArrayList<>();
    while (merges.size() < count && !pairs.isEmpty()) {
      String best =
          pairs.entrySet().stream()
              .max(
                  Map.Entry.<String, Integer>comparingByValue()
                      .thenComparing(Map.Entry.comparingByKey()))
              .orElseThrow()
              .getKey();
      merges.add(best);
      String[] pair = best.split(" ");
      String joined = pair[0] + pair[1].substring(prefix.length());
      tokens.add(joined);
      for (Word word : splits) {
        if (word.contains(pair)) {
          word.count(pairs, -word.occurrences);
          word.symbols = join(word.symbols, pair, joined);
          word.count(pairs, word.occurrences);
        }
      }
    }
    return new Bpe(List.copyOf(tokens), merges);
  }

  private static List<String> symbols(String word, String prefix, String suffix) {
    List<String> symbols = new ArrayList<>();
    word.codePoints()
        .forEach(c -> symbols.add((symbols.isEmpty() ? "" : prefix) + Character.toString(c)));
    symbols.add(symbols.removeLast() + suffix);
    return symbols;
  }

  private static List<String> join(List<String> symbols, String[] pair, String joined) {
    List<String> result = new ArrayList<>();
    for (int i = 0; i < symbols.size(); i++) {
      if (i + 1 < symbols.size()
          && symbols.get(i).equals(pair[0])
          && symbols.get(i + 1).equals(pair[1])) {
        result.add(joined);
        i++;
      } else {
        result.add(symbols.get(i));
      }
    }
    return result;
  }

  /** Pairs of tokens and made-up log probabilities: less probable, the later learned. */
  static List<List<Object>> scores(List<String> tokens, long seed) {
    var random = new java.util.SplittableRandom(seed);
    List<List<Object>> scores = new ArrayList<>();
    for (String token : tokens) {
      double score = -Math.log(2 + scores.size()) - 2 * random.nextDouble();
      scores.add(List.of(token, scores.size() < 3 ? 0.0 : score));
    }
    return scores;
  }

  /** The byte-level words of lines, as GPT-2 cuts them. */
  static List<String> byteLevelWords(List<String> lines) {
    List<String> words = new ArrayList<>();
    PreTokenizer splitter =
        PreTokenizer.parse(
            new Node(
                "test",
                "tokenizer.json",
                "",
                Map.of("type", "ByteLevel", "add_prefix_space", false)));
    for (String line : lines) {
      if (!line.isEmpty()) {
        Text text = Text.of(line);
        splitter.split(text, 0, text.length(), (t, from, to) -> words.add(t.string(from, to)));
      }
    }
    return words;
  }

  /** Words with a visible space in front, as sentencepiece cuts them. */
  static List<String> spacedWords(List<String> lines) {
    return lines.stream()
        .flatMap(line -> Arrays.stream(Oracle.sanitized(line).split(" ")))
        .map(word -> "▁" + word)
        .toList();
  }

  /** The 256 tokens of bytes. */
  static List<String> byteTokens() {
    return java.util.stream.IntStream.range(0, 256).mapToObj("<0x%02X>"::formatted).toList();
  }

  /** The 256 characters of the byte-level alphabet. */
  static List<String> byteAlphabet() {
    Text bytes = new Text(256);
    List<String> alphabet = new ArrayList<>();
    for (int c = 0; c < 0x110000 && alphabet.size() < 256; c = c < 0x800 ? c + 1 : c + 0x100) {
      if (c >= 0xD800 && c < 0xE000) {
        continue;
      }
      int at = bytes.length();
      Text text = Text.of(Character.toString(c));
      ByteLevel.encode(text, 0, text.length(), bytes);
      for (int i = at; i < bytes.length(); i++) {
        String symbol = bytes.string(i, i + 1);
        if (!alphabet.contains(symbol)) {
          alphabet.add(symbol);
        }
      }
    }
    return alphabet;
  }
}
