package io.quern.text;

import java.util.Arrays;

/** Ids in the making, each with the span of the original text that it stands for. */
final class Tokens {
  private int[] ids;
  private long[] spans;
  private int from;
  private int to;

  Tokens(int capacity) {
    ids = new int[capacity];
    spans = new long[capacity];
  }

  int size() {
    return to - from;
  }

  int id(int index) {
    return ids[from + index];
  }

  long span(int index) {
    return spans[from + index];
  }

  void setSpan(int index, long span) {
    spans[from + index] = span;
  }

  void add(int id, long span) {
    if (to == ids.length) {
      ids = Arrays.copyOf(ids, to * 2 + 8);
      spans = Arrays.copyOf(spans, to * 2 + 8);
    }
    ids[to] = id;
    spans[to++] = span;
  }

  /** Keeps the first {@code size}. */
  void keepFirst(int size) {
    to = Math.min(to, from + size);
  }

  /** Keeps the last {@code size}. */
  void keepLast(int size) {
    from = Math.max(from, to - size);
  }

  void copyIds(int[] target, int at) {
    System.arraycopy(ids, from, target, at, size());
  }

  void copySpans(long[] target, int at) {
    System.arraycopy(spans, from, target, at, size());
  }
}
