package io.quern.text;

import java.util.List;
import java.util.function.IntPredicate;
import java.util.regex.Pattern;

/** Changes text before it is cut into pieces. Keeps track of what each character stands for. */
interface Normalizer {
  /** Appends to {@code out} what the characters from {@code from} to {@code to} become. */
  void normalize(Text text, int from, int to, Text out);

  static Normalizer parse(Node node) {
    String type = node.text("type");
    return switch (type) {
      case "Sequence" ->
          sequence(node.list("normalizers").stream().map(Normalizer::parse).toList());
      case "BertNormalizer" -> BertNormalizer.parse(node);
      case "NFC", "NFD", "NFKC", "NFKD" -> UnicodeForm.valueOf(type);
      case "Lowercase" -> Normalizer::lowercase;
      case "StripAccents" -> filter(c -> !Unicode.isMark(c));
      case "Strip" -> strip(node.flag("strip_left", true), node.flag("strip_right", true));
      case "Replace" -> replace(Regex.parse(node.get("pattern")), node.text("content"));
      case "Prepend" -> prepend(node.text("prepend"));
      case "Precompiled" -> Charsmap.parse(node.get("precompiled_charsmap"));
      case "Nmt" -> Normalizer::nmt;
      case "ByteLevel" -> ByteLevel::encode;
      default ->
          throw node.unsupported(
              "type",
              type,
              "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled,"
                  + " Prepend, Replace, Sequence, Strip, StripAccents");
    };
  }

  /** One normaliser after the other. */
  static Normalizer sequence(List<Normalizer> steps) {
    return (text, from, to, out) -> {
      Text in = text;
      int start = from;
      int end = to;
      for (Normalizer step : steps) {
        Text next = new Text(end - start + 16);
        step.normalize(in, start, end, next);
        in = next;
        start = 0;
        end = next.length();
      }
      out.append(in, start, end);
    };
  }

  /** Drops the code points that do not pass. */
  static Normalizer filter(IntPredicate keep) {
    return (text, from, to, out) -> {
      for (int i = from, c; i < to; i += Character.charCount(c)) {
        c = text.codePointAt(i);
        if (keep.test(c)) {
          out.append(c, text.span(i));
        }
      }
    };
  }

  static void lowercase(Text text, int from, int to, Text out) {
    for (int i = from, c; i < to; i += Character.charCount(c)) {
      c = text.codePointAt(i);
      out.append(Character.toLowerCase(c), text.span(i));
      if (c == 'İ') {
        out.append(0x307, text.span(i));
      }
    }
  }

  private static Normalizer strip(boolean left, boolean right) {
    return (text, from, to, out) -> {
      int start = from;
      int end = to;
      while (left && start < end && Unicode.isWhitespace(text.charAt(start))) {
        start++;
      }
      while (right && start < end && Unicode.isWhitespace(text.charAt(end - 1))) {
        end--;
      }
      out.append(text, start, end);
    };
  }

  private static Normalizer prepend(String prefix) {
    return (text, from, to, out) -> out.appendWithPrefix(prefix, text, from, to);
  }

  private static Normalizer replace(Pattern pattern, String content) {
    return (text, from, to, out) -> {
      int[] last = {from};
      Regex.forEach(
          pattern,
          text.string(from, to),
          (start, end) -> {
            out.append(text, last[0], from + start);
            last[0] = from + end;
            out.append(content, text.before(from, last[0]));
          });
      out.append(text, last[0], to);
    };
  }

  /** The normalisation of sentencepiece for translation: some controls go, others are spaces. */
  private static void nmt(Text text, int from, int to, Text out) {
    for (int i = from; i < to; i++) {
      char c = text.charAt(i);
      boolean isControl = c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r' && c != 0;
      if (isControl || c == 0x7F || c == 0x8F || c == 0x9F) {
        continue;
      }
      boolean isSpace =
          switch (c) {
            case '\t', '\n', '\f', '\r', 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD -> true;
            default -> c >= 0x200B && c <= 0x200F;
          };
      if (isSpace) {
        out.append(' ', text.span(i));
      } else {
        out.append(text, i, i + 1);
      }
    }
  }
}
