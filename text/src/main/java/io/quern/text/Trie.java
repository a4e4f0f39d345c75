package io.quern.text;

import java.util.Arrays;

/**
 * Strings with values, walked character by character. One open-addressing table holds all edges; a
 * slot packs node, character and child into a long. Safe for concurrent use once filled.
 */
final class Trie {
  static final int ROOT = 0;
  static final int NONE = -1;

  private static final int NODE_BITS = 24;
  private static final long KEY = (1L << (NODE_BITS + Character.SIZE)) - 1;

  private long[] slots = new long[64];
  private int[] values = {NONE};
  private int nodes = 1;

  /** The child of a node, or {@link #NONE}. */
  int child(int node, char c) {
    long key = (long) node << Character.SIZE | c;
    long[] table = slots;
    for (int i = slot(key, table.length); ; i = (i + 1) & (table.length - 1)) {
      long found = table[i];
      if (found == 0) {
        return NONE;
      }
      if ((found & KEY) == key) {
        return (int) (found >>> (NODE_BITS + Character.SIZE));
      }
    }
  }

  /** The value of the string that leads to a node, or {@link #NONE}. */
  int value(int node) {
    return values[node];
  }

  /** The node that a string leads to from the root, or {@link #NONE}. */
  int walk(CharSequence string) {
    int node = ROOT;
    for (int i = 0; i < string.length() && node != NONE; i++) {
      node = child(node, string.charAt(i));
    }
    return node;
  }

  /** The value of a string, or {@link #NONE}. */
  int get(CharSequence string) {
    int node = walk(string);
    return node == NONE ? NONE : values[node];
  }

  /** The value of a range of a text, or {@link #NONE}. */
  int get(Text text, int from, int to) {
    int node = ROOT;
    for (int i = from; i < to && node != NONE; i++) {
      node = child(node, text.charAt(i));
    }
    return node == NONE ? NONE : values[node];
  }

  /** Sets the value of a string, not negative. */
  void put(CharSequence string, int value) {
    int node = ROOT;
    for (int i = 0; i < string.length(); i++) {
      int next = child(node, string.charAt(i));
      node = next == NONE ? addChild(node, string.charAt(i)) : next;
    }
    values[node] = value;
  }

  private int addChild(int node, char c) {
    if (nodes == 1 << NODE_BITS) {
      throw new IllegalStateException("tokenizer: the vocabulary is too large");
    }
    if (nodes * 2 > slots.length) {
      long[] old = slots;
      slots = new long[old.length * 2];
      for (long slot : old) {
        if (slot != 0) {
          insert(slot);
        }
      }
    }
    if (nodes == values.length) {
      values = Arrays.copyOf(values, nodes * 2);
    }
    values[nodes] = NONE;
    insert((long) nodes << (NODE_BITS + Character.SIZE) | (long) node << Character.SIZE | c);
    return nodes++;
  }

  private void insert(long slot) {
    int i = slot(slot & KEY, slots.length);
    while (slots[i] != 0) {
      i = (i + 1) & (slots.length - 1);
    }
    slots[i] = slot;
  }

  private static int slot(long key, int length) {
    return (int) ((key * 0x9E3779B97F4A7C15L) >>> 32) & (length - 1);
  }
}
