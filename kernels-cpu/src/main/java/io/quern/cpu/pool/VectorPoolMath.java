package io.quern.cpu.pool;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.elementwise.Specialised;
import io.quern.op.Pool2d;
import io.quern.runtime.Raw;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Template of the vector loops: three runs at a time; the last vector of a run is masked. */
final class VectorPoolMath extends PoolMath {
  private static final Pool2d.Fn FN = Specialised.constant(MethodHandles.lookup(), Pool2d.Fn.class);

  private static final VectorOperators.Associative OP =
      FN == Pool2d.Fn.MAX ? VectorOperators.MAX : VectorOperators.ADD;

  private VectorPoolMath() {
    super(FN);
  }

  static PoolMath specialised(Pool2d.Fn fn) {
    return (PoolMath) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  public void fold(long from, long step, int terms, long n, long to, long scratch) {
    if (terms == 1) {
      Raw.copy(from, to, 4 * n);
      return;
    }
    long first = from;
    for (int term = 1; term < terms; term += 2) {
      long second = from + term * step;
      if (term + 1 < terms) {
        ofThree(first, second, second + step, n, to);
      } else {
        ofTwo(first, second, n, to);
      }
      first = to;
    }
  }

  private static void ofThree(long x, long y, long z, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, z + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var rest = F32.indexInRange(at / 4, n);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, rest)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER, rest))
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, z + at, ORDER, rest))
          .intoMemorySegment(ALL, to + at, ORDER, rest);
    }
  }

  private static void ofTwo(long x, long y, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < 4 * n) {
      var rest = F32.indexInRange(at / 4, n);
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER, rest)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER, rest))
          .intoMemorySegment(ALL, to + at, ORDER, rest);
    }
  }

  @Override
  void divide(long x, long y, long n, long scratch) {
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
