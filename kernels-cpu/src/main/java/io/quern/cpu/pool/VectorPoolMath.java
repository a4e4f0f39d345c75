package io.quern.cpu.pool;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** By vectors, three runs at a time; the last vector of a run is masked. */
final class VectorPoolMath extends PoolMath {
  @Override
  void max(long from, long step, int terms, long n, long to) {
    if (terms == 1) {
      Raw.copy(from, to, 4 * n);
      return;
    }
    long first = from;
    for (int term = 1; term < terms; term += 2) {
      long second = from + term * step;
      maxOfThree(first, second, term + 1 < terms ? second + step : second, n, to);
      first = to;
    }
  }

  private static void maxOfThree(long x, long y, long z, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .max(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .max(FloatVector.fromMemorySegment(F32, ALL, z + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var rest = F32.indexInRange(at / 4, n);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, rest)
          .max(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER, rest))
          .max(FloatVector.fromMemorySegment(F32, ALL, z + at, ORDER, rest))
          .intoMemorySegment(ALL, to + at, ORDER, rest);
    }
  }

  @Override
  void sum(long from, long step, int terms, long n, long to) {
    if (terms == 1) {
      Raw.copy(from, to, 4 * n);
      return;
    }
    long first = from;
    for (int term = 1; term < terms; term += 2) {
      long second = from + term * step;
      if (term + 1 < terms) {
        sumOfThree(first, second, second + step, n, to);
      } else {
        sumOfTwo(first, second, n, to);
      }
      first = to;
    }
  }

  private static void sumOfThree(long x, long y, long z, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .add(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .add(FloatVector.fromMemorySegment(F32, ALL, z + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var rest = F32.indexInRange(at / 4, n);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, rest)
          .add(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER, rest))
          .add(FloatVector.fromMemorySegment(F32, ALL, z + at, ORDER, rest))
          .intoMemorySegment(ALL, to + at, ORDER, rest);
    }
  }

  private static void sumOfTwo(long x, long y, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .add(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var rest = F32.indexInRange(at / 4, n);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, rest)
          .add(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER, rest))
          .intoMemorySegment(ALL, to + at, ORDER, rest);
    }
  }

  @Override
  void divide(long x, long y, long n) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .div(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .intoMemorySegment(ALL, x + at, ORDER);
    }
    if (at < 4 * n) {
      var rest = F32.indexInRange(at / 4, n);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, rest)
          .div(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER, rest))
          .intoMemorySegment(ALL, x + at, ORDER, rest);
    }
  }
}
