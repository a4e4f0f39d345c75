package io.quern.cpu.elementwise;

import io.quern.Shape;
import io.quern.op.Layout;
import io.quern.runtime.Raw;
import java.util.Arrays;

/**
 * Copies elements of a strided or broadcast operand to consecutive places, in the row-major order
 * of the output's shape. Immutable and thread-safe.
 */
public final class Gatherer {
  private final int bytes;
  private final long[] dims;
  private final long[] strides;

  /** A gatherer of {@code operand}, broadcast to {@code shape}, with elements of some bytes. */
  public Gatherer(Layout operand, Shape shape, int bytes) {
    Layout expanded = operand.expand(shape);
    long[] merged = new long[Math.max(1, shape.rank())];
    long[] steps = new long[merged.length];
    merged[0] = 1;
    int count = 0;
    for (int d = 0; d < shape.rank(); d++) {
      long dim = shape.dim(d);
      long stride = bytes * expanded.stride(d);
      if (dim == 1) {
        continue;
      }
      if (count > 0 && steps[count - 1] == stride * dim) {
        merged[count - 1] *= dim;
        steps[count - 1] = stride;
      } else {
        merged[count] = dim;
        steps[count++] = stride;
      }
    }
    this.bytes = bytes;
    this.dims = Arrays.copyOf(merged, Math.max(1, count));
    this.strides = Arrays.copyOf(steps, Math.max(1, count));
  }

  /** Whether every element is the same one. */
  boolean isUniform() {
    return dims.length == 1 && strides[0] == 0;
  }

  /** Copies elements {@code first} to {@code first + count - 1} to {@code to}. */
  public void copy(long base, long first, long count, long to) {
    int inner = dims.length - 1;
    long rows = inner == 0 ? 1 : dims[inner - 1];
    long nextRow = inner == 0 ? 0 : strides[inner - 1];
    while (count > 0) {
      // Divisions find the first of some rows; short rows take less time than a division.
      long rest = first / dims[inner];
      long column = first - rest * dims[inner];
      long row = rest % rows;
      long from = base + row * nextRow;
      rest /= rows;
      for (int d = inner - 2; d >= 0; d--) {
        long next = rest / dims[d];
        from += (rest - next * dims[d]) * strides[d];
        rest = next;
      }
      for (; row < rows && count > 0; row++) {
        long run = Math.min(count, dims[inner] - column);
        copyRun(from + column * strides[inner], strides[inner], run, to);
        first += run;
        count -= run;
        to += run * bytes;
        column = 0;
        from += nextRow;
      }
    }
  }

  private void copyRun(long from, long stride, long run, long to) {
    if (stride == bytes) {
      copyNeighbours(from, run * bytes, to);
      return;
    }
    switch (bytes) {
      case 1 -> copyBytes(from, stride, run, to);
      case 2 -> copyShorts(from, stride, run, to);
      case 4 -> {
        if (stride == 0) {
          fillInts(Raw.getInt(from), run, to);
        } else {
          copyInts(from, stride, run, to);
        }
      }
      default -> copyLongs(from, stride, run, to);
    }
  }

  /** A call that moves memory costs as much as some dozen moves of longs. */
  private static void copyNeighbours(long from, long count, long to) {
    if (count >= 256) {
      Raw.copy(from, to, count);
      return;
    }
    long at = 0;
    for (; at + 8 <= count; at += 8) {
      Raw.putLong(to + at, Raw.getLong(from + at));
    }
    for (; at < count; at++) {
      Raw.putByte(to + at, Raw.getByte(from + at));
    }
  }

  private static void copyBytes(long from, long stride, long run, long to) {
    for (long i = 0; i < run; i++) {
      Raw.putByte(to + i, Raw.getByte(from + i * stride));
    }
  }

  private static void copyShorts(long from, long stride, long run, long to) {
    for (long i = 0; i < run; i++) {
      Raw.putShort(to + 2 * i, Raw.getShort(from + i * stride));
    }
  }

  private static void copyInts(long from, long stride, long run, long to) {
    for (long i = 0; i < run; i++) {
      Raw.putInt(to + 4 * i, Raw.getInt(from + i * stride));
    }
  }

  private static void copyLongs(long from, long stride, long run, long to) {
    for (long i = 0; i < run; i++) {
      Raw.putLong(to + 8 * i, Raw.getLong(from + i * stride));
    }
  }

  private static void fillInts(int value, long run, long to) {
    for (long i = 0; i < run; i++) {
      Raw.putInt(to + 4 * i, value);
    }
  }
}
