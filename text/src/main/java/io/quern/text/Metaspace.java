package io.quern.text;

import java.util.List;

/**
 * Writes spaces as a visible character, one of them in front, and cuts before each: the way of
 * sentencepiece.
 */
record Metaspace(char replacement, Prepend prepend, boolean split)
    implements PreTokenizer, Decoder {
  /** Which pieces get a space in front. */
  enum Prepend {
    ALWAYS,
    FIRST,
    NEVER
  }

  static Metaspace parse(Node node) {
    int replacement = node.codePoint("replacement");
    if (!Character.isBmpCodePoint(replacement)) {
      throw node.get("replacement").error("a character beyond U+FFFF");
    }
    Node scheme = node.get("prepend_scheme");
    Prepend prepend = scheme.isNull() ? Prepend.ALWAYS : scheme.constant(Prepend.class);
    if (!node.flag("add_prefix_space", true)) {
      if (!scheme.isNull() && prepend != Prepend.NEVER) {
        throw scheme.error("add_prefix_space is false, so expected \"never\"");
      }
      prepend = Prepend.NEVER;
    }
    return new Metaspace((char) replacement, prepend, node.flag("split", true));
  }

  @Override
  public void split(Text text, int from, int to, Sink out) {
    Text replaced = new Text(to - from + 1);
    if (needsPrefix(text, from)) {
      replaced.append(replacement, text.span(from));
    }
    for (int i = from; i < to; i++) {
      if (text.charAt(i) == ' ') {
        replaced.append(replacement, text.span(i));
      } else {
        replaced.append(text, i, i + 1);
      }
    }
    int start = 0;
    for (int i = 1; split && i < replaced.length(); i++) {
      if (replaced.charAt(i) == replacement) {
        out.accept(replaced, start, i);
        start = i;
      }
    }
    out.accept(replaced, start, replaced.length());
  }

  private boolean needsPrefix(Text text, int from) {
    char first = text.charAt(from);
    boolean isThere = first == ' ' || first == replacement;
    return !isThere
        && switch (prepend) {
          case ALWAYS -> true;
          case FIRST -> Text.start(text.span(from)) == 0;
          case NEVER -> false;
        };
  }

  @Override
  public List<String> decode(List<String> tokens) {
    return Decoder.map(
        tokens,
        (token, index) ->
            index == 0 && prepend != Prepend.NEVER
                ? token.replace(String.valueOf(replacement), "")
                : token.replace(replacement, ' '));
  }
}
