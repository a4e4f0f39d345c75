package io.quern.text;

/** One token for each piece. */
record WordLevel(Vocabulary vocabulary, int unknown) implements Model {
  static WordLevel parse(Node node) {
    Vocabulary vocabulary = Vocabulary.parse(node.get("vocab"));
    return new WordLevel(vocabulary, vocabulary.id(node.get("unk_token")));
  }

  @Override
  public void tokenize(Text text, int from, int to, Tokens out) {
    int id = vocabulary.trie().get(text, from, to);
    out.add(id == Trie.NONE ? unknown : id, text.spanOf(from, to));
  }
}
