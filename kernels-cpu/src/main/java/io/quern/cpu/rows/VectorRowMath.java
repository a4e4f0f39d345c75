package io.quern.cpu.rows;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.math.ScalarMath;
import io.quern.cpu.math.VectorMath;
import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The loops by vectors; what is left of a row is done by scalars or by an overlapping vector. */
final class VectorRowMath extends RowMath {
  /** The largest element does not depend on the order, so the lanes may be folded in any. */
  @Override
  float max(long x, long n) {
    FloatVector m0 = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    FloatVector m1 = m0;
    long end = x + 4 * n;
    long at = x;
    for (; at + 2L * BYTES <= end; at += 2L * BYTES) {
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, at, ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER);
      m0 = m0.blend(x0, x0.compare(VectorOperators.GT, m0));
      m1 = m1.blend(x1, x1.compare(VectorOperators.GT, m1));
    }
    return scalarMax(m0.max(m1).reduceLanes(VectorOperators.MAX), at, end);
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
    long whole = n / LANES * LANES;
    for (long lane = 0; lane < SCRATCH; lane += 4L * BYTES) {
      sumQuarter(x + lane, whole, scratch + lane);
    }
    long at = 4 * whole;
    long lane = scratch;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, lane, ORDER)
          .add(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
      lane += BYTES;
    }
    for (; at < 4 * n; at += 4) {
      Raw.putFloat(lane, Raw.getFloat(lane) + Raw.getFloat(x + at));
      lane += 4;
    }
    return fold(scratch);
  }

  private static void sumQuarter(long x, long n, long to) {
    FloatVector s0 = FloatVector.zero(F32);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    for (long i = 0; i < n; i += LANES) {
      s0 = s0.add(FloatVector.fromMemorySegment(F32, ALL, x, ORDER));
      s1 = s1.add(FloatVector.fromMemorySegment(F32, ALL, x + BYTES, ORDER));
      s2 = s2.add(FloatVector.fromMemorySegment(F32, ALL, x + 2L * BYTES, ORDER));
      s3 = s3.add(FloatVector.fromMemorySegment(F32, ALL, x + 3L * BYTES, ORDER));
      x += SCRATCH;
    }
    s0.intoMemorySegment(ALL, to, ORDER);
    s1.intoMemorySegment(ALL, to + BYTES, ORDER);
    s2.intoMemorySegment(ALL, to + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, to + 3L * BYTES, ORDER);
  }

  @Override
  float squares(long x, float mean, long n, long scratch) {
    long whole = n / LANES * LANES;
    for (long lane = 0; lane < SCRATCH; lane += 4L * BYTES) {
      squaresQuarter(x + lane, mean, whole, scratch + lane);
    }
    long at = 4 * whole;
    long lane = scratch;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector d = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(mean);
      d.fma(d, FloatVector.fromMemorySegment(F32, ALL, lane, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
      lane += BYTES;
    }
    for (; at < 4 * n; at += 4) {
      float d = Raw.getFloat(x + at) - mean;
      Raw.putFloat(lane, Math.fma(d, d, Raw.getFloat(lane)));
      lane += 4;
    }
    return fold(scratch);
  }

  private static void squaresQuarter(long x, float mean, long n, long to) {
    FloatVector m = FloatVector.broadcast(F32, mean);
    FloatVector s0 = FloatVector.zero(F32);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    for (long i = 0; i < n; i += LANES) {
      FloatVector d0 = FloatVector.fromMemorySegment(F32, ALL, x, ORDER).sub(m);
      FloatVector d1 = FloatVector.fromMemorySegment(F32, ALL, x + BYTES, ORDER).sub(m);
      FloatVector d2 = FloatVector.fromMemorySegment(F32, ALL, x + 2L * BYTES, ORDER).sub(m);
      FloatVector d3 = FloatVector.fromMemorySegment(F32, ALL, x + 3L * BYTES, ORDER).sub(m);
      s0 = d0.fma(d0, s0);
      s1 = d1.fma(d1, s1);
      s2 = d2.fma(d2, s2);
      s3 = d3.fma(d3, s3);
      x += SCRATCH;
    }
    s0.intoMemorySegment(ALL, to, ORDER);
    s1.intoMemorySegment(ALL, to + BYTES, ORDER);
    s2.intoMemorySegment(ALL, to + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, to + 3L * BYTES, ORDER);
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
    for (long at = scratch; at < scratch + 64; at += BYTES) {
      FloatVector even =
          FloatVector.fromMemorySegment(F32, ALL, at, ORDER)
              .add(FloatVector.fromMemorySegment(F32, ALL, at + 128, ORDER));
      FloatVector odd =
          FloatVector.fromMemorySegment(F32, ALL, at + 64, ORDER)
              .add(FloatVector.fromMemorySegment(F32, ALL, at + 192, ORDER));
      even.add(odd).intoMemorySegment(ALL, at, ORDER);
    }
    return fold16(scratch);
  }

  @Override
  float exp(long x, float y, long n, long to, long scratch, long next) {
    clear(scratch);
    long end = 4 * n;
    FloatVector max = FloatVector.broadcast(F32, Float.NEGATIVE_INFINITY);
    long at = 0;
    for (; at + BYTES <= end; at += BYTES) {
      long lane = scratch + (at & (SCRATCH - 1));
      FloatVector e = VectorMath.exp(FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(y));
      e.intoMemorySegment(ALL, to + at, ORDER);
      e.add(FloatVector.fromMemorySegment(F32, ALL, lane, ORDER))
          .intoMemorySegment(ALL, lane, ORDER);
      FloatVector z = FloatVector.fromMemorySegment(F32, ALL, next + at, ORDER);
      max = max.blend(z, z.compare(VectorOperators.GT, max));
    }
    scalarExp(x, y, at, end, to, scratch);
    return scalarMax(max.reduceLanes(VectorOperators.MAX), next + at, next + end);
  }

  private static void scalarExp(long x, float y, long at, long end, long to, long scratch) {
    for (; at < end; at += 4) {
      long lane = scratch + (at & (SCRATCH - 1));
      float e = ScalarMath.exp(Raw.getFloat(x + at) - y);
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
