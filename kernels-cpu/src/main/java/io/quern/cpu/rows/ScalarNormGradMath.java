package io.quern.cpu.rows;

import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarNormGradMath extends NormGradMath {
  @Override
  void sums(
      long x, float mean, float scale, long gamma, long gradient, long n, long sums, long scratch) {
    Raw.zero(scratch, 2 * RowMath.SCRATCH);
    sums(x, mean, scale, gamma, gradient, 0, n, sums, scratch);
  }

  /** The elements from byte {@code at} on. */
  static void sums(
      long x,
      float mean,
      float scale,
      long gamma,
      long gradient,
      long at,
      long n,
      long sums,
      long scratch) {
    for (; at < 4 * n; at += 4) {
      float z = (Raw.getFloat(x + at) - mean) * scale;
      float g = Raw.getFloat(gradient + at);
      float h = g * Raw.getFloat(gamma + at);
      long lane = scratch + (at & (RowMath.SCRATCH - 1));
      long other = lane + RowMath.SCRATCH;
      long second = sums + 4 * n + at;
      Raw.putFloat(lane, Raw.getFloat(lane) + h);
      Raw.putFloat(other, Math.fma(h, z, Raw.getFloat(other)));
      Raw.putFloat(sums + at, Math.fma(g, z, Raw.getFloat(sums + at)));
      Raw.putFloat(second, Raw.getFloat(second) + g);
    }
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
    input(x, mean, scale, gamma, gradient, meanH, meanHz, 0, n, to);
  }

  /** The elements from byte {@code at} on. */
  static void input(
      long x,
      float mean,
      float scale,
      long gamma,
      long gradient,
      float meanH,
      float meanHz,
      long at,
      long n,
      long to) {
    for (; at < 4 * n; at += 4) {
      float z = (Raw.getFloat(x + at) - mean) * scale;
      float h = Raw.getFloat(gradient + at) * Raw.getFloat(gamma + at) - meanH;
      Raw.putFloat(to + at, Math.fma(z, -meanHz, h) * scale);
    }
  }

  @Override
  void add(long x, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(to + at) + Raw.getFloat(x + at));
    }
  }
}
