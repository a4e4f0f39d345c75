package io.quern.cpu.elementwise;

import io.quern.cpu.math.ScalarMath;
import io.quern.op.Unary;
import io.quern.runtime.Raw;
import java.lang.invoke.MethodHandles;

/** Template of the scalar loops of {@link Unary}. */
final class ScalarUnaryF32 implements Loop {
  private static final Unary.Fn FN = Specialised.constant(MethodHandles.lookup(), Unary.Fn.class);

  static Loop of(Unary.Fn fn) {
    return (Loop) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    for (long at = 0; at < 4 * n; at += 4 * PART) {
      part(a + at, out + at, Math.min(4 * PART, 4 * n - at));
    }
  }

  private static void part(long a, long out, long bytes) {
    for (long at = 0; at < bytes; at += 4) {
      Raw.putFloat(out + at, apply(Raw.getFloat(a + at)));
    }
  }

  private static float apply(float x) {
    if (FN == Unary.Fn.NEG) {
      return -x;
    }
    if (FN == Unary.Fn.ABS) {
      return Math.abs(x);
    }
    if (FN == Unary.Fn.SQUARE) {
      return x * x;
    }
    if (FN == Unary.Fn.RELU) {
      return Math.max(x, 0);
    }
    if (FN == Unary.Fn.SQRT) {
      return (float) Math.sqrt(x);
    }
    if (FN == Unary.Fn.RSQRT) {
      return 1 / (float) Math.sqrt(x);
    }
    if (FN == Unary.Fn.RECIPROCAL) {
      return 1 / x;
    }
    return function(x);
  }

  private static float function(float x) {
    if (FN == Unary.Fn.EXP) {
      return ScalarMath.exp(x);
    }
    if (FN == Unary.Fn.LOG) {
      return ScalarMath.log(x);
    }
    if (FN == Unary.Fn.SIN) {
      return ScalarMath.sin(x);
    }
    if (FN == Unary.Fn.COS) {
      return ScalarMath.cos(x);
    }
    if (FN == Unary.Fn.TANH) {
      return ScalarMath.tanh(x);
    }
    if (FN == Unary.Fn.SIGMOID) {
      return ScalarMath.sigmoid(x);
    }
    if (FN == Unary.Fn.ERF) {
      return ScalarMath.erf(x);
    }
    if (FN == Unary.Fn.GELU) {
      return ScalarMath.gelu(x);
    }
    if (FN == Unary.Fn.SILU) {
      return ScalarMath.silu(x);
    }
    if (FN == Unary.Fn.SOFTPLUS) {
      return ScalarMath.softplus(x);
    }
    if (FN == Unary.Fn.SOFTSIGN) {
      return x / (1 + Math.abs(x));
    }
    return rounding(x);
  }

  private static float rounding(float x) {
    if (FN == Unary.Fn.SIGN) {
      return ScalarMath.sign(x);
    }
    if (FN == Unary.Fn.FLOOR) {
      return ScalarMath.floor(x);
    }
    if (FN == Unary.Fn.CEIL) {
      return ScalarMath.ceil(x);
    }
    if (FN == Unary.Fn.ROUND) {
      return ScalarMath.rint(x);
    }
    if (FN == Unary.Fn.NAN_MASK) {
      return ScalarMath.nanMask(x);
    }
    throw new IllegalStateException("no scalar loop for " + FN);
  }
}
