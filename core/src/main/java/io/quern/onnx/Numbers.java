package io.quern.onnx;

import java.util.Arrays;

/** A growing list of 64-bit numbers. */
final class Numbers {
  private static final long[] NONE = {};

  private long[] values = NONE;
  private int size;

  void add(long value) {
    if (size == values.length) {
      values = Arrays.copyOf(values, Math.max(8, size + (size >> 1)));
    }
    values[size++] = value;
  }

  int size() {
    return size;
  }

  long get(int index) {
    return values[index];
  }

  long[] toArray() {
    return size == 0 ? NONE : Arrays.copyOf(values, size);
  }
}
