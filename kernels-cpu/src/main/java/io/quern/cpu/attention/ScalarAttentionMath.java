package io.quern.cpu.attention;

import io.quern.cpu.math.ScalarMath;
import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarAttentionMath extends AttentionMath {
  @Override
  void scale(long x, float factor, long n) {
    for (long at = x; at < x + 4 * n; at += 4) {
      Raw.putFloat(at, Raw.getFloat(at) * factor);
    }
  }

  @Override
  void scale(long x, float factor, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) * factor);
    }
  }

  @Override
  float max(long x, long n) {
    float max = Float.NEGATIVE_INFINITY;
    for (long at = x; at < x + 4 * n; at += 4) {
      float y = Raw.getFloat(at);
      max = y > max ? y : max;
    }
    return max;
  }

  @Override
  void add(long x, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(to + at) + Raw.getFloat(x + at));
    }
  }

  @Override
  void expSum(long x, float max, long n, long lanes, float factor) {
    scale(lanes, factor, LANES);
    for (long at = 0; at < 4 * n; at += 4) {
      float y = ScalarMath.expNegative(Raw.getFloat(x + at) - max);
      long lane = lanes + at % (4 * LANES);
      Raw.putFloat(x + at, y);
      Raw.putFloat(lane, Raw.getFloat(lane) + y);
    }
  }

  @Override
  void weights(long x, float max, float factor, long n) {
    for (long at = x; at < x + 4 * n; at += 4) {
      Raw.putFloat(at, ScalarMath.exp(Raw.getFloat(at) - max) * factor);
    }
  }

  @Override
  void scoreGradient(long weights, float mean, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(weights + at) * (Raw.getFloat(to + at) - mean));
    }
  }
}
