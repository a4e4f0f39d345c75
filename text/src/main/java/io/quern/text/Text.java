package io.quern.text;

import java.util.Arrays;

/**
 * Text on its way to a model: UTF-16 characters, each with the span of the original text that it
 * stands for. Both halves of a surrogate pair have the span of the pair.
 */
final class Text {
  private char[] chars;
  private long[] spans;
  private int length;

  Text(int capacity) {
    chars = new char[capacity];
    spans = new long[capacity];
  }

  /** The original text, with unpaired surrogates replaced by U+FFFD. */
  static Text of(String string) {
    Text text = new Text(string.length());
    int length = string.length();
    string.getChars(0, length, text.chars, 0);
    for (int i = 0; i < length; i++) {
      text.spans[i] = span(i, i + 1);
      if (Character.isSurrogate(text.chars[i])) {
        if (i + 1 < length && Character.isSurrogatePair(text.chars[i], text.chars[i + 1])) {
          text.spans[i] = span(i, i + 2);
          text.spans[++i] = span(i - 1, i + 1);
        } else {
          text.chars[i] = '\uFFFD';
        }
      }
    }
    text.length = length;
    return text;
  }

  static long span(int start, int end) {
    return (long) end << 32 | start;
  }

  static int start(long span) {
    return (int) span;
  }

  static int end(long span) {
    return (int) (span >>> 32);
  }

  int length() {
    return length;
  }

  char charAt(int index) {
    return chars[index];
  }

  int codePointAt(int index) {
    char high = chars[index];
    return Character.isHighSurrogate(high) ? Character.toCodePoint(high, chars[index + 1]) : high;
  }

  int codePointBefore(int index) {
    char low = chars[index - 1];
    return Character.isLowSurrogate(low) ? Character.toCodePoint(chars[index - 2], low) : low;
  }

  /** What the character at an index stands for. */
  long span(int index) {
    return spans[index];
  }

  /** What the characters from {@code from} to {@code to} stand for. */
  long spanOf(int from, int to) {
    return span(start(spans[from]), end(spans[to - 1]));
  }

  boolean equals(int from, int to, char[] other) {
    return Arrays.equals(chars, from, to, other, 0, other.length);
  }

  String string(int from, int to) {
    return new String(chars, from, to - from);
  }

  /** Whether all characters of a range are below {@code limit}. */
  boolean isBelow(int limit, int from, int to) {
    for (int i = from; i < to; i++) {
      if (chars[i] >= limit) {
        return false;
      }
    }
    return true;
  }

  int count(int from, int to) {
    return Character.codePointCount(chars, from, to - from);
  }

  void append(int codePoint, long span) {
    reserve(2);
    if (Character.isBmpCodePoint(codePoint)) {
      chars[length] = (char) codePoint;
      spans[length++] = span;
    } else {
      chars[length] = Character.highSurrogate(codePoint);
      spans[length++] = span;
      chars[length] = Character.lowSurrogate(codePoint);
      spans[length++] = span;
    }
  }

  void append(String string, long span) {
    reserve(string.length());
    string.getChars(0, string.length(), chars, length);
    Arrays.fill(spans, length, length + string.length(), span);
    length += string.length();
  }

  void append(Text other, int from, int to) {
    reserve(to - from);
    System.arraycopy(other.chars, from, chars, length, to - from);
    System.arraycopy(other.spans, from, spans, length, to - from);
    length += to - from;
  }

  /** Appends {@code prefix} and a range of another text, whose first character both stand for. */
  void appendWithPrefix(String prefix, Text other, int from, int to) {
    if (from < to) {
      append(prefix, other.spans[from]);
      append(other, from, to);
    }
  }

  /**
   * Appends code points that replace those of another text from {@code from} on. A change of 0
   * replaces one code point, -n replaces one and drops n more, and 1 inserts what stands for the
   * same as the code point before.
   */
  void transform(Text other, int from, int to, int[] codePoints, int[] changes, int count) {
    int at = from;
    for (int i = 0; i < count; i++) {
      if (changes[i] > 0) {
        append(codePoints[i], other.before(from, at));
        continue;
      }
      append(codePoints[i], other.spans[at]);
      for (int drop = changes[i]; drop <= 0 && at < to; drop++) {
        at += Character.charCount(other.codePointAt(at));
      }
    }
  }

  /** What an insertion at {@code at} stands for: the character before, or nothing at the start. */
  long before(int from, int at) {
    if (at > from) {
      return spans[at - 1];
    }
    int start = from < length ? start(spans[from]) : 0;
    return span(start, start);
  }

  private void reserve(int count) {
    if (length + count > chars.length) {
      int capacity = Math.max(length + count, chars.length + (chars.length >> 1) + 16);
      chars = Arrays.copyOf(chars, capacity);
      spans = Arrays.copyOf(spans, capacity);
    }
  }
}
