package io.quern.cpu.attention;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.math.VectorMath;
import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The loops by vectors. */
final class VectorAttentionMath extends AttentionMath {
  @Override
  void scale(long x, float factor, long n) {
    for (long at = x; at < x + 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, at, ORDER)
          .mul(factor)
          .intoMemorySegment(ALL, at, ORDER);
    }
  }

  @Override
  void scale(long x, float factor, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .mul(factor)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) * factor);
    }
  }

  /** The largest element does not depend on the order, so the lanes may be folded in any. */
  @Override
  float max(long x, long n) {
    FloatVector largest = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    int vectors = (int) ((n + F32.length() - 1) / F32.length());
    for (int i = 0; i < vectors; i++) {
      FloatVector y = FloatVector.fromMemorySegment(F32, ALL, x + (long) i * BYTES, ORDER);
      largest = largest.blend(y, y.compare(VectorOperators.GT, largest));
    }
    return largest.reduceLanes(VectorOperators.MAX);
  }

  @Override
  void add(long x, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER)
          .add(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(to + at) + Raw.getFloat(x + at));
    }
  }

  @Override
  void expSum(long x, float max, long n, long lanes, float factor) {
    scale(lanes, factor, LANES);
    for (long at = 0; at < 4 * n; at += BYTES) {
      FloatVector y =
          VectorMath.expNegative(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(max));
      long lane = lanes + (at & (4 * LANES - 1));
      y.intoMemorySegment(ALL, x + at, ORDER);
      FloatVector.fromMemorySegment(F32, ALL, lane, ORDER)
          .add(y)
          .intoMemorySegment(ALL, lane, ORDER);
    }
  }

  @Override
  void weights(long x, float max, float factor, long n) {
    for (long at = x; at < x + 4 * n; at += BYTES) {
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, at, ORDER).sub(max))
          .mul(factor)
          .intoMemorySegment(ALL, at, ORDER);
    }
  }

  @Override
  void scoreGradient(long weights, float mean, long n, long to) {
    for (long at = 0; at < 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER)
          .sub(mean)
          .mul(FloatVector.fromMemorySegment(F32, ALL, weights + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
  }
}
