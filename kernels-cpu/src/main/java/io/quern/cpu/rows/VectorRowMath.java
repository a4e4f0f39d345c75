package io.quern.cpu.rows;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.math.ScalarMath;
import io.quern.cpu.math.VectorMath;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The loops by vectors; what is left of a row is done by scalars. Vectors that a loop carries are
 * arguments of its calls, as in {@link RunReduce}; some sums keep their lanes in memory instead.
 */
final class VectorRowMath extends ScalarRowMath {
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  /** Vectors of a row, without what is left. */
  private static int vectors(long n) {
    return (int) (n / F32.length());
  }

  /** The largest element does not depend on the order, so the lanes may be folded in any. */
  @Override
  float max(long x, long n) {
    float max = Float.NEGATIVE_INFINITY;
    long at = x;
    for (; at + 4L * BYTES <= x + 4 * n; at += 4L * BYTES) {
      float block = maxOfFour(at);
      max = block > max ? block : max;
    }
    return greater(max, super.max(at, n - (at - x) / 4));
  }

  private static float maxOfFour(long x) {
    long at = Raw.inRange(x);
    FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, at, ORDER);
    FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER);
    FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, at + 2 * BYTES, ORDER);
    FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, at + 3 * BYTES, ORDER);
    FloatVector least = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    FloatVector m0 = least.blend(x0, x0.compare(VectorOperators.GT, least));
    FloatVector m1 = least.blend(x1, x1.compare(VectorOperators.GT, least));
    FloatVector m2 = m0.blend(x2, x2.compare(VectorOperators.GT, m0));
    FloatVector m3 = m1.blend(x3, x3.compare(VectorOperators.GT, m1));
    return m2.blend(m3, m3.compare(VectorOperators.GT, m2)).reduceLanes(VectorOperators.MAX);
  }

  private static float greater(float x, float y) {
    return x > y ? x : y;
  }

  @Override
  float sum(long x, long n, long scratch) {
    clear(scratch);
    long whole = n / LANES * LANES;
    SUM.accumulate(x, whole, scratch);
    addRest(x, 4 * whole, n, scratch);
    return fold(scratch);
  }

  private static void addRest(long x, long at, long n, long scratch) {
    for (; at + BYTES <= 4 * n; at += BYTES) {
      long lane = scratch + (at & (SCRATCH - 1));
      FloatVector.fromMemorySegment(F32, ALL, lane, ORDER)
          .add(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      long lane = scratch + (at & (SCRATCH - 1));
      Raw.putFloat(lane, Raw.getFloat(lane) + Raw.getFloat(x + at));
    }
  }

  @Override
  float squares(long x, float mean, long n, long scratch) {
    clear(scratch);
    int blocks = (int) (n / LANES);
    for (long lane = 0; lane < SCRATCH; lane += 4 * BYTES) {
      addSquares(x + lane, blocks, mean, scratch + lane);
    }
    addSquaresOfRest(x, mean, blocks * SCRATCH, n, scratch);
    return fold(scratch);
  }

  private static void addSquaresOfRest(long x, float mean, long at, long n, long scratch) {
    for (; at + BYTES <= 4 * n; at += BYTES) {
      long lane = scratch + (at & (SCRATCH - 1));
      FloatVector d = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(mean);
      d.fma(d, FloatVector.fromMemorySegment(F32, ALL, lane, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      long lane = scratch + (at & (SCRATCH - 1));
      float d = Raw.getFloat(x + at) - mean;
      Raw.putFloat(lane, Math.fma(d, d, Raw.getFloat(lane)));
    }
  }

  private static void addSquares(long x, int blocks, float mean, long lanes) {
    long from = Raw.inRange(x);
    long sums = Raw.inRange(lanes);
    FloatVector m = FloatVector.broadcast(F32, mean);
    FloatVector s0 = FloatVector.fromMemorySegment(F32, ALL, sums, ORDER);
    FloatVector s1 = FloatVector.fromMemorySegment(F32, ALL, sums + BYTES, ORDER);
    FloatVector s2 = FloatVector.fromMemorySegment(F32, ALL, sums + 2 * BYTES, ORDER);
    FloatVector s3 = FloatVector.fromMemorySegment(F32, ALL, sums + 3 * BYTES, ORDER);
    for (int i = 0; i < blocks; i++) {
      long at = from + i * SCRATCH;
      FloatVector d0 = FloatVector.fromMemorySegment(F32, ALL, at, ORDER).sub(m);
      FloatVector d1 = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER).sub(m);
      FloatVector d2 = FloatVector.fromMemorySegment(F32, ALL, at + 2 * BYTES, ORDER).sub(m);
      FloatVector d3 = FloatVector.fromMemorySegment(F32, ALL, at + 3 * BYTES, ORDER).sub(m);
      s0 = d0.fma(d0, s0);
      s1 = d1.fma(d1, s1);
      s2 = d2.fma(d2, s2);
      s3 = d3.fma(d3, s3);
    }
    s0.intoMemorySegment(ALL, sums, ORDER);
    s1.intoMemorySegment(ALL, sums + BYTES, ORDER);
    s2.intoMemorySegment(ALL, sums + 2 * BYTES, ORDER);
    s3.intoMemorySegment(ALL, sums + 3 * BYTES, ORDER);
  }

  @Override
  float dot(long x, long y, long n, long scratch) {
    clear(scratch);
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      long lane = scratch + (at & (SCRATCH - 1));
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .fma(
              FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, lane, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      long lane = scratch + (at & (SCRATCH - 1));
      float product = Math.fma(Raw.getFloat(x + at), Raw.getFloat(y + at), Raw.getFloat(lane));
      Raw.putFloat(lane, product);
    }
    return fold(scratch);
  }

  @Override
  void subtractTimes(long x, float mean, long y, long n, long to) {
    long from = Raw.inRange(x);
    long factors = Raw.inRange(y);
    long target = Raw.inRange(to);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .sub(mean)
          .mul(FloatVector.fromMemorySegment(F32, ALL, factors + at, ORDER))
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.subtractTimes(x + done, mean, y + done, n - done / 4, to + done);
  }

  @Override
  void subtractExp(long x, long y, float factor, long n, long to) {
    long from = Raw.inRange(x);
    long exponents = Raw.inRange(y);
    long target = Raw.inRange(to);
    FloatVector minus = FloatVector.broadcast(F32, -factor);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, exponents + at, ORDER))
          .fma(minus, FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER))
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.subtractExp(x + done, y + done, factor, n - done / 4, to + done);
  }

  @Override
  float sumExp(long x, float y, long n, long scratch) {
    clear(scratch);
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      long lane = scratch + (at & (SCRATCH - 1));
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(y))
          .add(FloatVector.fromMemorySegment(F32, ALL, lane, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      long lane = scratch + (at & (SCRATCH - 1));
      Raw.putFloat(lane, Raw.getFloat(lane) + ScalarMath.exp(Raw.getFloat(x + at) - y));
    }
    return fold(scratch);
  }

  private static void clear(long scratch) {
    FloatVector zero = FloatVector.zero(F32);
    for (long at = scratch; at < scratch + SCRATCH; at += BYTES) {
      zero.intoMemorySegment(ALL, at, ORDER);
    }
  }

  @Override
  float fold(long scratch) {
    return SUM.foldLanes(scratch);
  }

  @Override
  float exp(long x, float y, long n, long to, long next, long scratch) {
    int vectors = vectors(n);
    exp(x, y, vectors, to, next, scratch);
    long done = (long) vectors * BYTES;
    float rest = super.exp(x + done, y, n - done / 4, to + done, next + done, scratch);
    return greater(super.max(scratch, F32.length()), rest);
  }

  private static void exp(long x, float y, int vectors, long to, long next, long maxima) {
    long from = Raw.inRange(x);
    long target = Raw.inRange(to);
    long following = Raw.inRange(next);
    FloatVector max = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector z = FloatVector.fromMemorySegment(F32, ALL, following + at, ORDER);
      max = z.blend(max, z.compare(VectorOperators.GT, max).not());
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER).sub(y))
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    max.intoMemorySegment(ALL, maxima, ORDER);
  }

  @Override
  void scale(long x, float factor, long n) {
    long from = Raw.inRange(x);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .mul(factor)
          .intoMemorySegment(ALL, from + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.scale(x + done, factor, n - done / 4);
  }

  @Override
  void subtract(long x, float first, float second, long n, long to) {
    long from = Raw.inRange(x);
    long target = Raw.inRange(to);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .sub(first)
          .sub(second)
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.subtract(x + done, first, second, n - done / 4, to + done);
  }

  @Override
  void rescale(long x, float scale, long gamma, long n, long to) {
    long from = Raw.inRange(x);
    long factors = Raw.inRange(gamma);
    long target = Raw.inRange(to);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .mul(scale)
          .mul(FloatVector.fromMemorySegment(F32, ALL, factors + at, ORDER))
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.rescale(x + done, scale, gamma + done, n - done / 4, to + done);
  }

  @Override
  void normalise(long x, float mean, float scale, long gamma, long beta, long n, long to) {
    long from = Raw.inRange(x);
    long factors = Raw.inRange(gamma);
    long summands = Raw.inRange(beta);
    long target = Raw.inRange(to);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .sub(mean)
          .mul(scale)
          .fma(
              FloatVector.fromMemorySegment(F32, ALL, factors + at, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, summands + at, ORDER))
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.normalise(x + done, mean, scale, gamma + done, beta + done, n - done / 4, to + done);
  }

  @Override
  void normalise(long x, float mean, float scale, float gamma, float beta, long n, long to) {
    long from = Raw.inRange(x);
    long target = Raw.inRange(to);
    FloatVector g = FloatVector.broadcast(F32, gamma);
    FloatVector b = FloatVector.broadcast(F32, beta);
    int vectors = vectors(n);
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .sub(mean)
          .mul(scale)
          .fma(g, b)
          .intoMemorySegment(ALL, target + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.normalise(x + done, mean, scale, gamma, beta, n - done / 4, to + done);
  }
}
