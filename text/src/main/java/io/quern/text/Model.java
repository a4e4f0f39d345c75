package io.quern.text;

/** Turns pieces of text into tokens. */
interface Model {
  /** Adds the tokens of the characters from {@code from} to {@code to}, which is more. */
  void tokenize(Text text, int from, int to, Tokens out);

  /** All tokens that it knows. */
  Vocabulary vocabulary();

  static Model parse(Node node) {
    String type = node.get("type").isNull() ? guess(node) : node.text("type");
    return switch (type) {
      case "WordPiece" -> WordPiece.parse(node);
      case "BPE" -> Bpe.parse(node);
      case "Unigram" -> Unigram.parse(node);
      case "WordLevel" -> WordLevel.parse(node);
      default -> throw node.unsupported("type", type, "WordPiece, BPE, Unigram, WordLevel");
    };
  }

  /** Old files do not tell the type. */
  private static String guess(Node node) {
    if (node.object().containsKey("merges")) {
      return "BPE";
    }
    if (node.object().containsKey("unk_id")) {
      return "Unigram";
    }
    return node.object().containsKey("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
  }
}
