package io.quern.text;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** The tokens {@code <0x00>} to {@code <0xFF>}, for characters that a vocabulary lacks. */
final class ByteTokens {
  private ByteTokens() {}

  /** The id of each byte's token, or {@link Trie#NONE}. */
  static int[] of(Vocabulary vocabulary) {
    int[] ids = new int[256];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = vocabulary.id("<0x%02X>".formatted(i));
    }
    return ids;
  }

  /** The ids of a string's UTF-8 bytes; null if one has no token. */
  static int @Nullable [] ids(int[] tokens, String string) {
    byte[] utf8 = string.getBytes(StandardCharsets.UTF_8);
    int[] ids = new int[utf8.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = tokens[utf8[i] & 0xFF];
      if (ids[i] == Trie.NONE) {
        return null;
      }
    }
    return ids;
  }

  /** Adds a token for each byte, standing for the whole range, unless one of them is missing. */
  static boolean add(int[] tokens, Text text, int from, int to, Tokens out) {
    int[] ids = ids(tokens, text.string(from, to));
    if (ids == null) {
      return false;
    }
    long span = text.spanOf(from, to);
    for (int id : ids) {
      out.add(id, span);
    }
    return true;
  }
}
