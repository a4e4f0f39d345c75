package io.quern.cpu.elementwise;

import io.quern.op.Compare;
import io.quern.runtime.Raw;
import java.lang.invoke.MethodHandles;

/** Template of the loops of {@link Compare}: floats in, bytes 0 and 1 out. */
final class CompareF32 implements Loop {
  private static final Compare.Fn FN =
      Specialised.constant(MethodHandles.lookup(), Compare.Fn.class);

  static Loop of(Compare.Fn fn) {
    return (Loop) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      boolean holds = holds(Raw.getFloat(a + 4 * i), Raw.getFloat(b + 4 * i));
      Raw.putByte(out + i, (byte) (holds ? 1 : 0));
    }
  }

  private static boolean holds(float x, float y) {
    if (FN == Compare.Fn.EQ) {
      return x == y;
    }
    if (FN == Compare.Fn.NE) {
      return x != y;
    }
    if (FN == Compare.Fn.LT) {
      return x < y;
    }
    if (FN == Compare.Fn.LE) {
      return x <= y;
    }
    if (FN == Compare.Fn.GT) {
      return x > y;
    }
    return x >= y;
  }
}
