package io.quern.text;

import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The tokens of a model and their ids. */
final class Vocabulary {
  private final Trie trie = new Trie();
  private @Nullable String[] tokens = new String[256];
  private int limit;

  /** The object from tokens to ids that WordPiece, BPE and WordLevel have. */
  static Vocabulary parse(Node node) {
    Vocabulary vocabulary = new Vocabulary();
    for (Map.Entry<String, @Nullable Object> entry : node.object().entrySet()) {
      if (!(entry.getValue() instanceof Long id) || id < 0 || id >= 1 << 24) {
        throw node.error("the id of " + entry.getKey() + " is " + entry.getValue());
      }
      vocabulary.put(entry.getKey(), id.intValue());
    }
    return vocabulary;
  }

  void put(String token, int id) {
    if (id >= tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(id + 1, tokens.length * 2));
    }
    limit = Math.max(limit, id + 1);
    tokens[id] = token;
    trie.put(token, id);
  }

  Trie trie() {
    return trie;
  }

  /** The id of a token, or {@link Trie#NONE}. */
  int id(CharSequence token) {
    return trie.get(token);
  }

  /** The id of a token that the file names at {@code node}. */
  int id(Node node) {
    int id = trie.get(node.text());
    if (id == Trie.NONE) {
      throw node.error("the vocabulary has no " + node.text());
    }
    return id;
  }

  @Nullable String token(int id) {
    return id < limit ? tokens[id] : null;
  }

  /** One more than the largest id. */
  int limit() {
    return limit;
  }

  /** The number of tokens. */
  int size() {
    int size = 0;
    for (int id = 0; id < limit; id++) {
      size += tokens[id] == null ? 0 : 1;
    }
    return size;
  }
}
