package io.quern.cpu.reduce;

import io.quern.cpu.elementwise.Specialised;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.lang.invoke.MethodHandles;

/** Template of the scalar folds. */
final class ScalarRunReduce extends RunReduce {
  private static final Reduce.Fn FN = Specialised.constant(MethodHandles.lookup(), Reduce.Fn.class);

  static RunReduce specialised(Reduce.Fn fn) {
    return (RunReduce) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  float fold(float x, float y) {
    return apply(x, y);
  }

  private static float apply(float x, float y) {
    if (FN == Reduce.Fn.SUM) {
      return x + y;
    }
    if (FN == Reduce.Fn.PROD) {
      return x * y;
    }
    return FN == Reduce.Fn.MAX ? Math.max(x, y) : Math.min(x, y);
  }

  @Override
  void accumulate(long from, long n, long scratch) {
    float neutral = neutral(FN);
    for (int lane = 0; lane < LANES; lane++) {
      Raw.putFloat(scratch + 4L * lane, neutral);
    }
    for (long i = 0; i < n; i += LANES) {
      addRow(from + 4 * i, LANES, scratch);
    }
  }

  @Override
  public void addRow(long from, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, apply(Raw.getFloat(to + at), Raw.getFloat(from + at)));
    }
  }
}
