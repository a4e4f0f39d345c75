package io.quern.text;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The precompiled character map of a sentencepiece model: a double-array trie over UTF-8 whose
 * values are positions in a block of zero-terminated strings.
 */
final class Charsmap implements Normalizer {
  private static final Pattern CLUSTER = Pattern.compile("\\X");

  /** Longer grapheme clusters, in bytes, are looked up character by character only. */
  private static final int MAX_BYTES = 5;

  private final int[] units;
  private final byte[] strings;

  private Charsmap(int[] units, byte[] strings) {
    this.units = units;
    this.strings = strings;
  }

  static Charsmap parse(Node node) {
    try {
      ByteBuffer blob =
          ByteBuffer.wrap(Base64.getDecoder().decode(node.text())).order(ByteOrder.LITTLE_ENDIAN);
      int[] units = new int[Math.divideExact(blob.getInt(), Integer.BYTES)];
      blob.asIntBuffer().get(units);
      blob.position(Integer.BYTES * (units.length + 1));
      byte[] strings = new byte[blob.remaining()];
      blob.get(strings);
      return new Charsmap(units, strings);
    } catch (IllegalArgumentException
        | ArithmeticException
        | NegativeArraySizeException
        | BufferUnderflowException e) {
      throw node.error("not a character map: " + e.getMessage());
    }
  }

  @Override
  public void normalize(Text text, int from, int to, Text out) {
    String string = text.string(from, to);
    Edits edits = new Edits(string.length() + 16);
    Matcher clusters = CLUSTER.matcher(text.isBelow(0x80, from, to) ? string : assigned(string));
    for (int at = 0, end; at < string.length(); at = end) {
      end = clusterEnd(string, at, clusters);
      String cluster = string.substring(at, end);
      String replacement = replacement(cluster, MAX_BYTES);
      if (replacement != null) {
        edits.replace(cluster, replacement);
        continue;
      }
      for (int i = at, next; i < end; i = next) {
        int c = string.codePointAt(i);
        next = i + Character.charCount(c);
        String single = string.substring(i, next);
        String found = replacement(single, Integer.MAX_VALUE);
        edits.replace(single, found == null ? single : found);
      }
    }
    out.transform(text, from, to, edits.codePoints, edits.changes, edits.size);
  }

  /**
   * A string with the same clusters, but for the JDK, which takes most unassigned code points for
   * controls.
   */
  private static String assigned(String string) {
    StringBuilder result = new StringBuilder(string);
    for (int i = 0, c; i < string.length(); i += Character.charCount(c)) {
      c = string.codePointAt(i);
      boolean isIgnorable =
          (c >= 0xE0000 && c <= 0xE0FFF) || c == 0x2065 || (c >= 0xFFF0 && c <= 0xFFF8);
      if (Character.getType(c) == Character.UNASSIGNED
          && !isIgnorable
          && !Character.isExtendedPictographic(c)) {
        String other = Character.isBmpCodePoint(c) ? "x" : "\uD800\uDC00";
        result.replace(i, i + other.length(), other);
      }
    }
    return result.toString();
  }

  /** Where the grapheme cluster ends that starts at a position. */
  private static int clusterEnd(String string, int at, Matcher clusters) {
    char first = string.charAt(at);
    if (first < 0x80
        && first != '\r'
        && (at + 1 == string.length() || string.charAt(at + 1) < 0x80)) {
      return at + 1;
    }
    clusters.region(at, string.length());
    return clusters.lookingAt() ? clusters.end() : at + 1;
  }

  /** What the shortest beginning of a string that is in the map becomes; null if none is. */
  private @Nullable String replacement(String string, int maxBytes) {
    byte[] key = string.getBytes(StandardCharsets.UTF_8);
    if (key.length > maxBytes) {
      return null;
    }
    int at = offset(unit(0));
    for (byte each : key) {
      int label = each & 0xFF;
      at ^= label;
      int unit = unit(at);
      if (label == 0 || (unit & 0x800000FF) != label) {
        return null;
      }
      at ^= offset(unit);
      if ((unit >>> 8 & 1) != 0) {
        return string(unit(at) & Integer.MAX_VALUE);
      }
    }
    return null;
  }

  private int unit(int at) {
    return at >= 0 && at < units.length ? units[at] : Integer.MIN_VALUE;
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 1 << 9) >>> 6);
  }

  private String string(int start) {
    int end = Math.min(start, strings.length);
    while (end < strings.length && strings[end] != 0) {
      end++;
    }
    int from = Math.min(start, end);
    return new String(strings, from, end - from, StandardCharsets.UTF_8);
  }

  /** New code points with the changes that {@link Text#transform} takes. */
  private static final class Edits {
    private int[] codePoints;
    private int[] changes;
    private int size;

    Edits(int capacity) {
      codePoints = new int[capacity];
      changes = new int[capacity];
    }

    void replace(String old, String replacement) {
      int more =
          replacement.codePointCount(0, replacement.length()) - old.codePointCount(0, old.length());
      for (int i = 0, c; i < replacement.length(); i += Character.charCount(c)) {
        c = replacement.codePointAt(i);
        add(c);
      }
      for (int i = 1; i <= more; i++) {
        changes[size - i] = 1;
      }
      if (more < 0 && size > 0) {
        changes[size - 1] += more;
      }
    }

    private void add(int codePoint) {
      if (size == codePoints.length) {
        codePoints = Arrays.copyOf(codePoints, size * 2);
        changes = Arrays.copyOf(changes, size * 2);
      }
      codePoints[size] = codePoint;
      changes[size++] = 0;
    }
  }
}
