package io.quern.text;

/** The longest token first, from left to right; a word that does not come out is unknown. */
final class WordPiece implements Model {
  private final Vocabulary vocabulary;
  private final int unknown;
  private final int continuing;
  private final int maxChars;

  private WordPiece(Vocabulary vocabulary, int unknown, String prefix, int maxChars) {
    this.vocabulary = vocabulary;
    this.unknown = unknown;
    this.continuing = vocabulary.trie().walk(prefix);
    this.maxChars = maxChars;
  }

  static WordPiece parse(Node node) {
    Vocabulary vocabulary = Vocabulary.parse(node.get("vocab"));
    return new WordPiece(
        vocabulary,
        vocabulary.id(node.get("unk_token")),
        node.text("continuing_subword_prefix"),
        node.integer("max_input_chars_per_word", 100));
  }

  @Override
  public Vocabulary vocabulary() {
    return vocabulary;
  }

  @Override
  public void tokenize(Text text, int from, int to, Tokens out) {
    int size = out.size();
    if (to - from > maxChars && text.count(from, to) > maxChars) {
      out.add(unknown, text.spanOf(from, to));
      return;
    }
    Trie trie = vocabulary.trie();
    int node = Trie.ROOT;
    for (int at = from; at < to; node = continuing) {
      int best = Trie.NONE;
      int end = at;
      for (int i = at; i < to && node != Trie.NONE; ) {
        node = trie.child(node, text.charAt(i++));
        if (node != Trie.NONE && trie.value(node) != Trie.NONE) {
          best = trie.value(node);
          end = i;
        }
      }
      if (best == Trie.NONE) {
        out.keepFirst(size);
        out.add(unknown, text.spanOf(from, to));
        return;
      }
      out.add(best, text.spanOf(at, end));
      at = end;
    }
  }
}
