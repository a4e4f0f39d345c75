package io.quern.text;

import java.util.Arrays;

/** The merges of byte-pair encoding: pairs of ids to rank and joined id, in open addressing. */
final class Merges {
  private static final long EMPTY = -1;

  private final long[] keys;
  private final long[] values;

  Merges(int count) {
    int capacity = Integer.highestOneBit(Math.max(1, count)) * 4;
    keys = new long[capacity];
    values = new long[capacity];
    Arrays.fill(keys, EMPTY);
  }

  void put(int left, int right, int rank, int id) {
    int slot = slot(key(left, right));
    keys[slot] = key(left, right);
    values[slot] = (long) rank << 32 | id;
  }

  /** Rank and joined id of a pair; negative if it does not merge. */
  long get(int left, int right) {
    int slot = slot(key(left, right));
    return keys[slot] == EMPTY ? -1 : values[slot];
  }

  static int rank(long merge) {
    return (int) (merge >>> 32);
  }

  static int id(long merge) {
    return (int) merge;
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  /** Where a key is, or would go. */
  private int slot(long key) {
    int mask = keys.length - 1;
    int slot = (int) ((key * 0x9E3779B97F4A7C15L) >>> 32) & mask;
    while (keys[slot] != key && keys[slot] != EMPTY) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
