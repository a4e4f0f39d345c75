package io.quern.cpu.rows;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.math.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The loops by vectors, with a masked one at the end. */
final class VectorRowMath extends RowMath {
  @Override
  void subtract(long x, float y, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .sub(y)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var mask = F32.indexInRange(0, n - at / 4);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, mask)
          .sub(y)
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }

  @Override
  void expDifference(long x, float y, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(y))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var mask = F32.indexInRange(0, n - at / 4);
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, mask).sub(y))
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }

  @Override
  void divide(long x, float y, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .div(y)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var mask = F32.indexInRange(0, n - at / 4);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, mask)
          .div(y)
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }

  @Override
  void squaredDifference(long x, float y, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector d = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(y);
      d.mul(d).intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var mask = F32.indexInRange(0, n - at / 4);
      FloatVector d = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, mask).sub(y);
      d.mul(d).intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }

  @Override
  void normalise(long x, float mean, float scale, long gamma, long beta, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector z = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(mean).mul(scale);
      z.fma(
              FloatVector.fromMemorySegment(F32, ALL, gamma + at, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, beta + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var mask = F32.indexInRange(0, n - at / 4);
      FloatVector z =
          FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, mask).sub(mean).mul(scale);
      z.fma(
              FloatVector.fromMemorySegment(F32, ALL, gamma + at, ORDER, mask),
              FloatVector.fromMemorySegment(F32, ALL, beta + at, ORDER, mask))
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }
}
