package io.quern.cpu.rows;

import io.quern.cpu.math.ScalarMath;
import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarRowMath extends RowMath {
  @Override
  float max(long x, long n) {
    float max = Float.NEGATIVE_INFINITY;
    for (long at = 0; at < 4 * n; at += 4) {
      float y = Raw.getFloat(x + at);
      max = y > max ? y : max;
    }
    return max;
  }

  @Override
  float sum(long x, long n, long scratch) {
    Raw.zero(scratch, SCRATCH);
    for (long at = 0; at < 4 * n; at += 4) {
      long lane = scratch + at % SCRATCH;
      Raw.putFloat(lane, Raw.getFloat(lane) + Raw.getFloat(x + at));
    }
    return fold(scratch);
  }

  @Override
  float squares(long x, float mean, long n, long scratch) {
    Raw.zero(scratch, SCRATCH);
    for (long at = 0; at < 4 * n; at += 4) {
      long lane = scratch + at % SCRATCH;
      float d = Raw.getFloat(x + at) - mean;
      Raw.putFloat(lane, Math.fma(d, d, Raw.getFloat(lane)));
    }
    return fold(scratch);
  }

  @Override
  float dot(long x, long y, long n, long scratch) {
    Raw.zero(scratch, SCRATCH);
    for (long at = 0; at < 4 * n; at += 4) {
      long lane = scratch + at % SCRATCH;
      float product = Math.fma(Raw.getFloat(x + at), Raw.getFloat(y + at), Raw.getFloat(lane));
      Raw.putFloat(lane, product);
    }
    return fold(scratch);
  }

  @Override
  void subtractTimes(long x, float mean, long y, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, (Raw.getFloat(x + at) - mean) * Raw.getFloat(y + at));
    }
  }

  @Override
  void subtractExp(long x, long y, float factor, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      float e = ScalarMath.exp(Raw.getFloat(y + at));
      Raw.putFloat(to + at, Math.fma(e, -factor, Raw.getFloat(x + at)));
    }
  }

  @Override
  float sumExp(long x, float y, long n, long scratch) {
    Raw.zero(scratch, SCRATCH);
    for (long at = 0; at < 4 * n; at += 4) {
      long lane = scratch + at % SCRATCH;
      Raw.putFloat(lane, Raw.getFloat(lane) + ScalarMath.exp(Raw.getFloat(x + at) - y));
    }
    return fold(scratch);
  }

  @Override
  float fold(long scratch) {
    for (long at = scratch; at < scratch + 64; at += 4) {
      float even = Raw.getFloat(at) + Raw.getFloat(at + 128);
      Raw.putFloat(at, even + (Raw.getFloat(at + 64) + Raw.getFloat(at + 192)));
    }
    return fold16(scratch);
  }

  @Override
  float exp(long x, float y, long n, long to, long scratch, long next) {
    Raw.zero(scratch, SCRATCH);
    for (long at = 0; at < 4 * n; at += 4) {
      long lane = scratch + at % SCRATCH;
      float e = ScalarMath.expNegative(Raw.getFloat(x + at) - y);
      Raw.putFloat(to + at, e);
      Raw.putFloat(lane, Raw.getFloat(lane) + e);
    }
    return max(next, n);
  }

  @Override
  void scale(long x, float factor, long n) {
    for (long at = x; at < x + 4 * n; at += 4) {
      Raw.putFloat(at, Raw.getFloat(at) * factor);
    }
  }

  @Override
  void subtract(long x, float first, float second, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) - first - second);
    }
  }

  @Override
  void rescale(long x, float scale, long gamma, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) * scale * Raw.getFloat(gamma + at));
    }
  }

  @Override
  void normalise(long x, float mean, float scale, long gamma, long beta, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      float z = (Raw.getFloat(x + at) - mean) * scale;
      Raw.putFloat(to + at, Math.fma(z, Raw.getFloat(gamma + at), Raw.getFloat(beta + at)));
    }
  }

  @Override
  void normalise(long x, float mean, float scale, float gamma, float beta, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Math.fma((Raw.getFloat(x + at) - mean) * scale, gamma, beta));
    }
  }
}
