package io.quern.cpu.rows;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** The loops by vectors, the last elements of a row by scalars. */
final class VectorNormGradMath extends NormGradMath {
  @Override
  void sums(
      long x, float mean, float scale, long gamma, long gradient, long n, long sums, long scratch) {
    Raw.zero(scratch, 2 * RowMath.SCRATCH);
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector z = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(mean).mul(scale);
      FloatVector g = FloatVector.fromMemorySegment(F32, ALL, gradient + at, ORDER);
      FloatVector h = g.mul(FloatVector.fromMemorySegment(F32, ALL, gamma + at, ORDER));
      long lane = scratch + (at & (RowMath.SCRATCH - 1));
      long other = lane + RowMath.SCRATCH;
      long second = sums + 4 * n + at;
      FloatVector.fromMemorySegment(F32, ALL, lane, ORDER)
          .add(h)
          .intoMemorySegment(ALL, lane, ORDER);
      h.fma(z, FloatVector.fromMemorySegment(F32, ALL, other, ORDER))
          .intoMemorySegment(ALL, other, ORDER);
      g.fma(z, FloatVector.fromMemorySegment(F32, ALL, sums + at, ORDER))
          .intoMemorySegment(ALL, sums + at, ORDER);
      FloatVector.fromMemorySegment(F32, ALL, second, ORDER)
          .add(g)
          .intoMemorySegment(ALL, second, ORDER);
    }
    ScalarNormGradMath.sums(x, mean, scale, gamma, gradient, at, n, sums, scratch);
  }

  @Override
  void input(
      long x,
      float mean,
      float scale,
      long gamma,
      long gradient,
      float meanH,
      float meanHz,
      long n,
      long to) {
    FloatVector factor = FloatVector.broadcast(F32, -meanHz);
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      FloatVector z = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER).sub(mean).mul(scale);
      FloatVector h =
          FloatVector.fromMemorySegment(F32, ALL, gradient + at, ORDER)
              .mul(FloatVector.fromMemorySegment(F32, ALL, gamma + at, ORDER))
              .sub(meanH);
      z.fma(factor, h).mul(scale).intoMemorySegment(ALL, to + at, ORDER);
    }
    ScalarNormGradMath.input(x, mean, scale, gamma, gradient, meanH, meanHz, at, n, to);
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
}
