package io.quern.cpu.elementwise;

import io.quern.op.Binary;
import io.quern.runtime.Raw;
import java.lang.invoke.MethodHandles;

/** Template of the scalar loops of {@link Binary}; also the only one of POW. */
final class ScalarBinaryF32 implements Loop {
  private static final Binary.Fn FN = Specialised.constant(MethodHandles.lookup(), Binary.Fn.class);

  static Loop of(Binary.Fn fn) {
    return (Loop) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    for (long at = 0; at < 4 * n; at += 4 * PART) {
      part(a + at, b + at, out + at, Math.min(4 * PART, 4 * n - at));
    }
  }

  private static void part(long a, long b, long out, long bytes) {
    for (long at = 0; at < bytes; at += 4) {
      Raw.putFloat(out + at, apply(Raw.getFloat(a + at), Raw.getFloat(b + at)));
    }
  }

  private static float apply(float x, float y) {
    if (FN == Binary.Fn.ADD) {
      return x + y;
    }
    if (FN == Binary.Fn.SUB) {
      return x - y;
    }
    if (FN == Binary.Fn.MUL) {
      return x * y;
    }
    if (FN == Binary.Fn.DIV) {
      return x / y;
    }
    if (FN == Binary.Fn.MIN) {
      return Math.min(x, y);
    }
    if (FN == Binary.Fn.MAX) {
      return Math.max(x, y);
    }
    if (FN == Binary.Fn.GATE) {
      return y > 0 ? x : 0;
    }
    if (FN == Binary.Fn.POW) {
      // Strict, so that the bits are the same on every machine.
      return (float) StrictMath.pow(x, y);
    }
    throw new IllegalStateException("no scalar loop for " + FN);
  }
}
