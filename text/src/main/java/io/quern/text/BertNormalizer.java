package io.quern.text;

import java.util.ArrayList;
import java.util.List;

/**
 * The normaliser of BERT: drops control characters, sets Chinese characters apart, strips accents
 * and lowers case, each if asked to.
 */
final class BertNormalizer implements Normalizer {
  private final boolean clean;
  private final boolean lowercase;
  private final Normalizer steps;

  private BertNormalizer(boolean clean, boolean chinese, boolean stripAccents, boolean lowercase) {
    this.clean = clean;
    this.lowercase = lowercase;
    List<Normalizer> list = new ArrayList<>();
    if (clean) {
      list.add(BertNormalizer::clean);
    }
    if (chinese) {
      list.add(BertNormalizer::setApart);
    }
    if (stripAccents) {
      list.add(UnicodeForm.NFD);
      list.add(Normalizer.filter(c -> !Unicode.isNonspacingMark(c)));
    }
    if (lowercase) {
      list.add(Normalizer::lowercase);
    }
    steps = Normalizer.sequence(list);
  }

  static BertNormalizer parse(Node node) {
    boolean lowercase = node.flag("lowercase", true);
    return new BertNormalizer(
        node.flag("clean_text", true),
        node.flag("handle_chinese_chars", true),
        node.flag("strip_accents", lowercase),
        lowercase);
  }

  @Override
  public void normalize(Text text, int from, int to, Text out) {
    if (!text.isBelow(0x80, from, to)) {
      steps.normalize(text, from, to, out);
      return;
    }
    for (int i = from; i < to; i++) {
      char c = text.charAt(i);
      if (clean && c < ' ') {
        if (c != '\t' && c != '\n' && c != '\r') {
          continue;
        }
        c = ' ';
      }
      if (clean && c == 0x7F) {
        continue;
      }
      out.append(lowercase && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c, text.span(i));
    }
  }

  private static void clean(Text text, int from, int to, Text out) {
    for (int i = from, c; i < to; i += Character.charCount(c)) {
      c = text.codePointAt(i);
      if (c == '\t' || c == '\n' || c == '\r') {
        out.append(' ', text.span(i));
      } else if (c != 0xFFFD && !Unicode.isOther(c)) {
        out.append(Unicode.isWhitespace(c) ? ' ' : c, text.span(i));
      }
    }
  }

  private static void setApart(Text text, int from, int to, Text out) {
    for (int i = from, c; i < to; i += Character.charCount(c)) {
      c = text.codePointAt(i);
      if (Unicode.isChinese(c)) {
        out.append(' ', text.span(i));
        out.append(c, text.span(i));
        out.append(' ', text.span(i));
      } else {
        out.append(c, text.span(i));
      }
    }
  }
}
