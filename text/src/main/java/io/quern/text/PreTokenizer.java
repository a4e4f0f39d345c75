package io.quern.text;

import java.util.List;
import java.util.function.IntPredicate;
import java.util.regex.Pattern;

/** Cuts text into pieces that the model sees one at a time. */
interface PreTokenizer {
  /** Receives pieces. */
  interface Sink {
    /** Takes the characters from {@code from} to {@code to}. */
    void accept(Text text, int from, int to);
  }

  /** Hands the pieces of the characters from {@code from} to {@code to} on, in order. */
  void split(Text text, int from, int to, Sink out);

  static PreTokenizer parse(Node node) {
    String type = node.text("type");
    return switch (type) {
      case "Sequence" ->
          sequence(node.list("pretokenizers").stream().map(PreTokenizer::parse).toList());
      case "BertPreTokenizer" -> PreTokenizer::bert;
      case "Whitespace" -> PreTokenizer::words;
      case "WhitespaceSplit" -> where(Unicode::isWhitespace, Behavior.REMOVED);
      case "Punctuation" ->
          where(
              Unicode::isPunctuation,
              node.get("behavior").isNull()
                  ? Behavior.ISOLATED
                  : node.get("behavior").constant(Behavior.class));
      case "Digits" ->
          where(
              Unicode::isNumeric,
              node.flag("individual_digits", false) ? Behavior.ISOLATED : Behavior.CONTIGUOUS);
      case "CharDelimiterSplit" -> {
        int delimiter = node.codePoint("delimiter");
        yield where(c -> c == delimiter, Behavior.REMOVED);
      }
      case "Split" ->
          split(
              Regex.parse(node.get("pattern")),
              node.get("behavior").constant(Behavior.class),
              node.flag("invert", false));
      case "Metaspace" -> Metaspace.parse(node);
      case "ByteLevel" -> ByteLevel.preTokenizer(node);
      default ->
          throw node.unsupported(
              "type",
              type,
              "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation,"
                  + " Sequence, Split, Whitespace, WhitespaceSplit");
    };
  }

  /** Cuts the pieces of each step by the next one. */
  static PreTokenizer sequence(List<PreTokenizer> steps) {
    if (steps.isEmpty()) {
      return (text, from, to, out) -> out.accept(text, from, to);
    }
    PreTokenizer first = steps.getFirst();
    if (steps.size() == 1) {
      return first;
    }
    PreTokenizer rest = sequence(steps.subList(1, steps.size()));
    return (text, from, to, out) ->
        first.split(text, from, to, (piece, start, end) -> rest.split(piece, start, end, out));
  }

  /** Splits at each code point that is a delimiter. */
  static PreTokenizer where(IntPredicate isDelimiter, Behavior behavior) {
    return (text, from, to, out) -> {
      Splitter splitter = new Splitter(behavior, text, out);
      int last = from;
      for (int i = from, next; i < to; i = next) {
        int c = text.codePointAt(i);
        next = i + Character.charCount(c);
        if (isDelimiter.test(c)) {
          if (last < i) {
            splitter.add(last, i, false);
          }
          splitter.add(i, next, true);
          last = next;
        }
      }
      if (last < to) {
        splitter.add(last, to, false);
      }
      splitter.finish();
    };
  }

  /** Splits at each match; if {@code invert}, at what is between the matches. */
  static PreTokenizer split(Pattern pattern, Behavior behavior, boolean invert) {
    return (text, from, to, out) -> {
      Splitter splitter = new Splitter(behavior, text, out);
      int[] last = {from};
      Regex.forEach(
          pattern,
          text.string(from, to),
          (start, end) -> {
            if (last[0] < from + start) {
              splitter.add(last[0], from + start, invert);
            }
            last[0] = from + end;
            splitter.add(from + start, last[0], !invert);
          });
      if (last[0] < to) {
        splitter.add(last[0], to, invert);
      }
      splitter.finish();
    };
  }

  /** Words between spaces, with punctuation on its own. */
  private static void bert(Text text, int from, int to, Sink out) {
    int start = from;
    for (int i = from, next; i < to; i = next) {
      int c = text.codePointAt(i);
      next = i + Character.charCount(c);
      boolean isSpace = Unicode.isWhitespace(c);
      if (isSpace || Unicode.isPunctuation(c)) {
        if (start < i) {
          out.accept(text, start, i);
        }
        if (!isSpace) {
          out.accept(text, i, next);
        }
        start = next;
      }
    }
    if (start < to) {
      out.accept(text, start, to);
    }
  }

  /** Runs of word characters, and runs of others that are not spaces. */
  private static void words(Text text, int from, int to, Sink out) {
    int start = from;
    int kind = 0;
    for (int i = from, next; i < to; i = next) {
      int c = text.codePointAt(i);
      next = i + Character.charCount(c);
      int found = Unicode.isWord(c) ? 1 : Unicode.isWhitespace(c) ? 0 : 2;
      if (found != kind) {
        if (kind != 0) {
          out.accept(text, start, i);
        }
        start = i;
        kind = found;
      }
    }
    if (kind != 0) {
      out.accept(text, start, to);
    }
  }
}
