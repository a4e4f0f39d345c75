package io.quern.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
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

    /** The neighbours. */
    List<String> pairs() {
      List<String> pairs = new ArrayList<>();
      for (int i = 0; i + 1 < symbols.size(); i++) {
        pairs.add(symbols.get(i) + " " + symbols.get(i + 1));
      }
      return pairs;
    }
  }

  /** How often pairs occur, and the words that have or had them. */
  private static final class Pairs {
    private final Map<String, Integer> counts = new HashMap<>();
    private final Map<String, Set<Word>> words = new HashMap<>();

    void add(Word word) {
      for (String pair : word.pairs()) {
        counts.merge(pair, word.occurrences, Integer::sum);
        words.computeIfAbsent(pair, _ -> new HashSet<>()).add(word);
      }
    }

    void remove(Word word) {
      for (String pair : word.pairs()) {
        counts.computeIfPresent(
            pair, (_, count) -> count == word.occurrences ? null : count - word.occurrences);
      }
    }

    /** The most frequent one, the last in order of those. */
    String best() {
      return counts.entrySet().stream()
          .max(
              Map.Entry.<String, Integer>comparingByValue()
                  .thenComparing(Map.Entry.comparingByKey()))
          .orElseThrow()
          .getKey();
    }

    /** Makes one symbol of each occurrence of a pair. */
    void join(String pair, String joined) {
      for (Word word : words.remove(pair)) {
        remove(word);
        word.symbols = Trainer.join(word.symbols, pair.split(" ", 2), joined);
        add(word);
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
    Pairs pairs = new Pairs();
    Set<String> tokens = new LinkedHashSet<>(first);
    counts.forEach(
        (text, occurrences) -> {
          Word word = new Word(symbols(text, prefix, suffix), occurrences);
          tokens.addAll(word.symbols);
          pairs.add(word);
        });
    List<String> merges = new ArrayList<>();
    while (merges.size() < count && !pairs.counts.isEmpty()) {
      String best = pairs.best();
      merges.add(best);
      String[] pair = best.split(" ", 2);
      String joined = pair[0] + pair[1].substring(prefix.length());
      tokens.add(joined);
      pairs.join(best, joined);
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
