package io.quern.text;

import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The most probable segmentation under independent tokens (Kudo 2018, "Subword Regularization"),
 * found by dynamic programming over a trie.
 */
final class Unigram implements Model {
  /** How much less likely an unknown character is than the least likely token. */
  private static final double UNKNOWN_PENALTY = 10;

  private final Vocabulary vocabulary;
  private final double[] scores;
  private final int unknown;
  private final double unknownScore;
  private final int @Nullable [] bytes;

  private Unigram(Vocabulary vocabulary, double[] scores, int unknown, boolean fallback) {
    this.vocabulary = vocabulary;
    this.scores = scores;
    this.unknown = unknown;
    double least = Double.POSITIVE_INFINITY;
    for (double score : scores) {
      least = Math.min(least, score);
    }
    this.unknownScore = least - UNKNOWN_PENALTY;
    this.bytes = fallback ? ByteTokens.of(vocabulary) : null;
  }

  static Unigram parse(Node node) {
    Node list = node.get("vocab");
    Vocabulary vocabulary = new Vocabulary();
    double[] scores = new double[list.raw().size()];
    for (int id = 0; id < scores.length; id++) {
      if (!(list.raw().get(id) instanceof List<?> pair
          && pair.size() == 2
          && pair.get(0) instanceof String token
          && pair.get(1) instanceof Number score
          && Double.isFinite(score.doubleValue()))) {
        throw list.error("entry " + id + " is not a token with its finite score");
      }
      vocabulary.put(token, id);
      scores[id] = asTheLibraryReads(score.doubleValue());
    }
    int unknown = node.integer("unk_id", Trie.NONE);
    if (unknown >= scores.length) {
      throw node.error("unk_id is " + unknown + " of " + scores.length + " tokens");
    }
    return new Unigram(vocabulary, scores, unknown, node.flag("byte_fallback", false));
  }

  /**
   * The Rust library divides the digits of a number by a power of ten, which may differ from the
   * number in the last bit and decides between ways of the same tokens in another order.
   */
  private static double asTheLibraryReads(double score) {
    BigDecimal written = new BigDecimal(Double.toString(score));
    double digits = written.unscaledValue().doubleValue();
    double power = Double.parseDouble("1e" + Math.abs(written.scale()));
    return written.scale() < 0 ? digits * power : digits / power;
  }

  @Override
  public Vocabulary vocabulary() {
    return vocabulary;
  }

  @Override
  public void tokenize(Text text, int from, int to, Tokens out) {
    int size = to - from;
    double[] best = new double[size + 1];
    int[] tokens = new int[size + 1];
    int[] starts = new int[size + 1];
    search(text, from, size, best, tokens, starts);
    emit(text, from, size, tokens, starts, out);
  }

  /** Fills, for every position, the last token of the best way there and where it starts. */
  private void search(Text text, int from, int size, double[] best, int[] tokens, int[] starts) {
    Arrays.fill(starts, Trie.NONE);
    Trie trie = vocabulary.trie();
    for (int at = 0; at < size; ) {
      int next = at + Character.charCount(text.codePointAt(from + at));
      boolean single = false;
      int node = Trie.ROOT;
      for (int i = at; i < size; ) {
        node = trie.child(node, text.charAt(from + i++));
        if (node == Trie.NONE) {
          break;
        }
        int id = trie.value(node);
        if (id != Trie.NONE) {
          relax(at, i, id, scores[id], best, tokens, starts);
          single |= i == next;
        }
      }
      if (!single) {
        relax(at, next, unknown, unknownScore, best, tokens, starts);
      }
      at = next;
    }
  }

  private static void relax(
      int at, int end, int id, double score, double[] best, int[] tokens, int[] starts) {
    double candidate = score + best[at];
    if (starts[end] == Trie.NONE || candidate > best[end]) {
      best[end] = candidate;
      tokens[end] = id;
      starts[end] = at;
    }
  }

  /** Adds the tokens of the best way, with unknown ones in a row made one. */
  private void emit(Text text, int from, int size, int[] tokens, int[] starts, Tokens out) {
    int count = 0;
    int[] ends = new int[size];
    for (int end = size; end > 0; end = starts[end]) {
      ends[count++] = end;
    }
    for (int i = count - 1; i >= 0; i--) {
      int id = tokens[ends[i]];
      int start = starts[ends[i]];
      if (id != unknown) {
        out.add(id, text.spanOf(from + start, from + ends[i]));
        continue;
      }
      while (i > 0 && unknown != Trie.NONE && tokens[ends[i - 1]] == unknown) {
        i--;
      }
      unknown(text, from + start, from + ends[i], out);
    }
  }

  private void unknown(Text text, int from, int to, Tokens out) {
    int id = vocabulary.trie().get(text, from, to);
    if (id == Trie.NONE && bytes != null && ByteTokens.add(bytes, text, from, to, out)) {
      return;
    }
    if (id == Trie.NONE && unknown == Trie.NONE) {
      throw new IllegalStateException(
          "tokenizer: no token for \"" + text.string(from, to) + "\", and none for the unknown");
    }
    out.add(id == Trie.NONE ? unknown : id, text.spanOf(from, to));
  }
}
