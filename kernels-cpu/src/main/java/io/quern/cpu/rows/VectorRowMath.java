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
 * The loops by vectors; what is left of a row is done by scalars. Sums that are not alone in their
 * loop stay in memory between turns: vectors that a loop carries are sometimes kept as objects.
 */
final class VectorRowMath extends RowMath {
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  /** The largest element does not depend on the order, so the lanes may be folded in any. */
  @Override
  float max(long x, long n) {
    float max = Float.NEGATIVE_INFINITY;
    long end = x + 4 * n;
    long at = x;
    for (; at + 4L * BYTES <= end; at += 4L * BYTES) {
      float block = maxOfFour(at);
      max = block > max ? block : max;
    }
    return scalarMax(max, at, end);
  }

  private static float maxOfFour(long at) {
    FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, at, ORDER);
    FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER);
    FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, at + 2L * BYTES, ORDER);
    FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, at + 3L * BYTES, ORDER);
    FloatVector least = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    FloatVector m0 = least.blend(x0, x0.compare(VectorOperators.GT, least));
    FloatVector m1 = least.blend(x1, x1.compare(VectorOperators.GT, least));
    FloatVector m2 = m0.blend(x2, x2.compare(VectorOperators.GT, m0));
    FloatVector m3 = m1.blend(x3, x3.compare(VectorOperators.GT, m1));
    return m2.blend(m3, m3.compare(VectorOperators.GT, m2)).reduceLanes(VectorOperators.MAX);
  }

  private static float scalarMax(float max, long at, long end) {
    for (; at < end; at += 4) {
      float x = Raw.getFloat(at);
      max = x > max ? x : max;
    }
    return max;
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
    long whole = n / LANES * LANES;
    for (long lane = 0; lane < SCRATCH; lane += 4L * BYTES) {
      addSquares(x + lane, x + lane + 4 * whole, mean, scratch + lane);
    }
    addSquaresOfRest(x, mean, 4 * whole, n, scratch);
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

  private static void addSquares(long x, long end, float mean, long lanes) {
    long sums = Raw.inRange(lanes);
    FloatVector m = FloatVector.broadcast(F32, mean);
    FloatVector s0 = FloatVector.fromMemorySegment(F32, ALL, sums, ORDER);
    FloatVector s1 = FloatVector.fromMemorySegment(F32, ALL, sums + BYTES, ORDER);
    FloatVector s2 = FloatVector.fromMemorySegment(F32, ALL, sums + 2L * BYTES, ORDER);
    FloatVector s3 = FloatVector.fromMemorySegment(F32, ALL, sums + 3L * BYTES, ORDER);
    for (; x < end; x += SCRATCH) {
      long at = Raw.inRange(x);
      FloatVector d0 = FloatVector.fromMemorySegment(F32, ALL, at, ORDER).sub(m);
      FloatVector d1 = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER).sub(m);
      FloatVector d2 = FloatVector.fromMemorySegment(F32, ALL, at + 2L * BYTES, ORDER).sub(m);
      FloatVector d3 = FloatVector.fromMemorySegment(F32, ALL, at + 3L * BYTES, ORDER).sub(m);
      s0 = d0.fma(d0, s0);
      s1 = d1.fma(d1, s1);
      s2 = d2.fma(d2, s2);
      s3 = d3.fma(d3, s3);
    }
    s0.intoMemorySegment(ALL, sums, ORDER);
    s1.intoMemorySegment(ALL, sums + BYTES, ORDER);
    s2.intoMemorySegment(ALL, sums + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, sums + 3L * BYTES, ORDER);
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
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .sub(mean)
          .mul(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, (Raw.getFloat(x + at) - mean) * Raw.getFloat(y + at));
    }
  }

  @Override
  void subtractExp(long x, long y, float factor, long n, long to) {
    FloatVector minus = FloatVector.broadcast(F32, -factor);
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, y + at, ORDER))
          .fma(minus, FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      float e = ScalarMath.exp(Raw.getFloat(y + at));
      Raw.putFloat(to + at, Math.fma(e, -factor, Raw.getFloat(x + at)));
    }
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
  float exp(long x, float y, long n, long to, long scratch, long next) {
    clear(scratch);
    long end = 4 * n;
    long source = Raw.inRange(x);
    long after = Raw.inRange(next);
    long target = Raw.inRange(to);
    long lanes = Raw.inRange(scratch);
    FloatVector largest = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    int vectors = (int) (n / F32.length());
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      long lane = lanes + (at & (SCRATCH - 1));
      FloatVector z = FloatVector.fromMemorySegment(F32, ALL, after + at, ORDER);
      FloatVector sum = FloatVector.fromMemorySegment(F32, ALL, lane, ORDER);
      FloatVector e =
          VectorMath.expNegative(
              FloatVector.fromMemorySegment(F32, ALL, source + at, ORDER).sub(y));
      largest = z.blend(largest, z.compare(VectorOperators.LE, largest));
      e.intoMemorySegment(ALL, target + at, ORDER);
      e.add(sum).intoMemorySegment(ALL, lane, ORDER);
    }
    long at = (long) vectors * BYTES;
    scalarExp(x, y, at, end, to, scratch);
    return scalarMax(largest.reduceLanes(VectorOperators.MAX), next + at, next + end);
  }

  private static void scalarExp(long x, float y, long at, long end, long to, long scratch) {
    for (; at < end; at += 4) {
      long lane = scratch + (at & (SCRATCH - 1));
      float e = ScalarMath.expNegative(Raw.getFloat(x + at) - y);
      Raw.putFloat(to + at, e);
      Raw.putFloat(lane, Raw.getFloat(lane) + e);
    }
  }

  @Override
  void scale(long x, float factor, long n) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .mul(factor)
          .intoMemorySegment(ALL, x + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(x + at, Raw.getFloat(x + at) * factor);
    }
  }

  @Override
  void subtract(long x, float first, float second, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .sub(first)
          .sub(second)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) - first - second);
    }
  }

  @Override
  void rescale(long x, float scale, long gamma, long n, long to) {
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .mul(scale)
          .mul(FloatVector.fromMemorySegment(F32, ALL, gamma + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) * scale * Raw.getFloat(gamma + at));
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
    for (; at < 4 * n; at += 4) {
      float z = (Raw.getFloat(x + at) - mean) * scale;
      Raw.putFloat(to + at, Math.fma(z, Raw.getFloat(gamma + at), Raw.getFloat(beta + at)));
    }
  }

  @Override
  void normalise(long x, float mean, float scale, float gamma, float beta, long n, long to) {
    FloatVector g = FloatVector.broadcast(F32, gamma);
    FloatVector b = FloatVector.broadcast(F32, beta);
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER)
          .sub(mean)
          .mul(scale)
          .fma(g, b)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Math.fma((Raw.getFloat(x + at) - mean) * scale, gamma, beta));
    }
  }
}
