package io.quern.cpu.rows;

import io.quern.cpu.math.ScalarMath;
import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarRowMath extends RowMath {
  @Override
  void subtract(long x, float y, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) - y);
    }
  }

  @Override
  void expDifference(long x, float y, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, ScalarMath.exp(Raw.getFloat(x + at) - y));
    }
  }

  @Override
  void divide(long x, float y, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) / y);
    }
  }

  @Override
  void squaredDifference(long x, float y, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      float d = Raw.getFloat(x + at) - y;
      Raw.putFloat(to + at, d * d);
    }
  }

  @Override
  void normalise(long x, float mean, float scale, long gamma, long beta, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      float z = (Raw.getFloat(x + at) - mean) * scale;
      Raw.putFloat(to + at, Math.fma(z, Raw.getFloat(gamma + at), Raw.getFloat(beta + at)));
    }
  }
}
