package io.quern.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Tokens that are found in the text before the model sees it. */
final class AddedTokens {
  private record Added(
      String content,
      boolean singleWord,
      boolean leftStrip,
      boolean rightStrip,
      boolean normalized,
      boolean special) {}

  private final Map<String, Integer> ids = new HashMap<>();
  private final Map<Integer, Added> tokens = new HashMap<>();
  private final Set<String> special = new HashSet<>();
  private final Trie verbatim = new Trie();
  private final Trie normalized = new Trie();

  /** Reads the list; ids follow from the model's vocabulary, as in the Hugging Face library. */
  AddedTokens(List<Node> nodes, Vocabulary vocabulary, Normalizer normalizer) {
    List<Added> inOrder = new ArrayList<>();
    int next = vocabulary.size();
    for (Node node : nodes) {
      Added token = added(node);
      if (token.content.isEmpty() || tokens.containsValue(token)) {
        continue;
      }
      int known = ids.getOrDefault(token.content, vocabulary.id(token.content));
      int id = known == Trie.NONE ? next : known;
      next = Math.max(next, id + 1);
      ids.put(token.content, id);
      tokens.put(id, token);
      if (token.special) {
        special.add(token.content);
      }
      inOrder.add(token);
    }
    for (Added token : inOrder) {
      Text content = Text.of(token.content);
      if (token.normalized) {
        Text text = content;
        content = new Text(text.length());
        normalizer.normalize(text, 0, text.length(), content);
      }
      Trie trie = token.normalized ? normalized : verbatim;
      String pattern = content.string(0, content.length());
      if (!pattern.isEmpty() && trie.get(pattern) == Trie.NONE) {
        trie.put(pattern, ids.get(token.content));
      }
    }
  }

  private static Added added(Node node) {
    boolean special = node.flag("special", false);
    return new Added(
        node.text("content"),
        node.flag("single_word", false),
        node.flag("lstrip", false),
        node.flag("rstrip", false),
        node.flag("normalized", !special),
        special);
  }

  /** The id of a token, or {@link Trie#NONE}. */
  int id(String token) {
    return ids.getOrDefault(token, Trie.NONE);
  }

  /** The token of an id, or null. */
  @Nullable String token(int id) {
    Added added = tokens.get(id);
    return added == null ? null : added.content;
  }

  boolean isSpecial(String token) {
    return special.contains(token);
  }

  Set<Integer> ids() {
    return tokens.keySet();
  }

  /** Adds the tokens that are found as they are, and hands on what is between them. */
  void splitVerbatim(Text text, int from, int to, Tokens out, PreTokenizer.Sink rest) {
    split(verbatim, text, from, to, out, rest);
  }

  /** The same with the tokens that are looked for in normalised text. */
  void splitNormalized(Text text, int from, int to, Tokens out, PreTokenizer.Sink rest) {
    split(normalized, text, from, to, out, rest);
  }

  private void split(Trie trie, Text text, int from, int to, Tokens out, PreTokenizer.Sink rest) {
    int last = from;
    for (int at = from; at < to; ) {
      int node = Trie.ROOT;
      int id = Trie.NONE;
      int end = at;
      for (int i = at; i < to && (node = trie.child(node, text.charAt(i))) != Trie.NONE; i++) {
        if (trie.value(node) != Trie.NONE) {
          id = trie.value(node);
          end = i + 1;
        }
      }
      if (id == Trie.NONE) {
        at++;
        continue;
      }
      int start = at;
      at = end;
      Added token = tokens.get(id);
      if (token.singleWord && !isWord(text, start, end, from, to)) {
        continue;
      }
      if (token.leftStrip) {
        while (start > last && Unicode.isWhitespace(text.charAt(start - 1))) {
          start--;
        }
      }
      if (token.rightStrip) {
        while (end < to && Unicode.isWhitespace(text.charAt(end))) {
          end++;
        }
      }
      if (last < start) {
        rest.accept(text, last, start);
      }
      out.add(id, text.spanOf(start, end));
      last = end;
    }
    if (last < to) {
      rest.accept(text, last, to);
    }
  }

  private static boolean isWord(Text text, int start, int end, int from, int to) {
    return (start == from || !Unicode.isWord(text.codePointBefore(start)))
        && (end == to || !Unicode.isWord(text.codePointAt(end)));
  }
}
