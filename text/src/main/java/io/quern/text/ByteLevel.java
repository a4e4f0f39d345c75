package io.quern.text;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** The bytes of UTF-8 as printable characters, in which GPT-2 and its successors do BPE. */
final class ByteLevel {
  private static final Pattern WORDS =
      Regex.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

  /** The character of each byte. */
  private static final char[] CHARS = new char[256];

  /** The byte of each character, or -1. */
  private static final short[] BYTES = new short[256 + 68];

  static {
    Arrays.fill(BYTES, (short) -1);
    int next = 256;
    for (int i = 0; i < 256; i++) {
      boolean isPrintable = (i >= '!' && i <= '~') || (i >= 0xA1 && i != 0xAD);
      CHARS[i] = (char) (isPrintable ? i : next++);
      BYTES[CHARS[i]] = (short) i;
    }
  }

  private ByteLevel() {}

  static PreTokenizer preTokenizer(Node node) {
    boolean prefix = node.flag("add_prefix_space", true);
    PreTokenizer words =
        node.flag("use_regex", true)
            ? PreTokenizer.split(WORDS, Behavior.ISOLATED, false)
            : PreTokenizer.sequence(List.of());
    return (text, from, to, out) -> {
      Text bytes = new Text((to - from) * 2);
      PreTokenizer.Sink encoded =
          (piece, start, end) -> {
            int at = bytes.length();
            encode(piece, start, end, bytes);
            out.accept(bytes, at, bytes.length());
          };
      if (prefix && text.charAt(from) != ' ') {
        Text prefixed = new Text(to - from + 1);
        prefixed.appendWithPrefix(" ", text, from, to);
        words.split(prefixed, 0, prefixed.length(), encoded);
      } else {
        words.split(text, from, to, encoded);
      }
    };
  }

  /** Appends the characters of the bytes of a range. */
  static void encode(Text text, int from, int to, Text out) {
    for (int i = from, c; i < to; i += Character.charCount(c)) {
      c = text.codePointAt(i);
      long span = text.span(i);
      if (c < 0x80) {
        out.append(CHARS[c], span);
        continue;
      }
      if (c >= 0x10000) {
        out.append(CHARS[0xF0 | c >> 18], span);
        out.append(CHARS[0x80 | ((c >> 12) & 0x3F)], span);
      } else if (c >= 0x800) {
        out.append(CHARS[0xE0 | c >> 12], span);
      }
      out.append(CHARS[c >= 0x800 ? 0x80 | ((c >> 6) & 0x3F) : 0xC0 | c >> 6], span);
      out.append(CHARS[0x80 | (c & 0x3F)], span);
    }
  }

  /** Whether a character of a token stands for white space. */
  static boolean isSpace(char c) {
    return c == CHARS[' '] || Unicode.isWhitespace(c);
  }

  /** Puts the bytes of all tokens together; a token with other characters is taken as it is. */
  static List<String> decode(List<String> tokens) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (String token : tokens) {
      boolean isEncoded = token.chars().allMatch(c -> c < BYTES.length && BYTES[c] >= 0);
      if (isEncoded) {
        token.chars().forEach(c -> bytes.write(BYTES[c]));
      } else {
        bytes.writeBytes(token.getBytes(StandardCharsets.UTF_8));
      }
    }
    return List.of(bytes.toString(StandardCharsets.UTF_8));
  }
}
