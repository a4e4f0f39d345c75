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
  public void clear(long scratch) {
    for (long lane = 0; lane < SCRATCH; lane += 4) {
      Raw.putFloat(scratch + lane, neutral(FN));
    }
  }

  @Override
  public float foldLanes(long lanes) {
    for (int half = LANES / 2; half >= 1; half /= 2) {
      addRow(lanes + 4L * half, half, lanes);
    }
    return Raw.getFloat(lanes);
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
  public void accumulate(long from, long n, long lanes) {
    for (long i = 0; i < n; i += LANES) {
      addRow(from + 4 * i, LANES, lanes);
    }
  }

  @Override
  void addRest(long from, long n, long to) {
    addRow(from, n, to);
  }

  @Override
  public void addRow(long from, long n, long to) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, apply(Raw.getFloat(to + at), Raw.getFloat(from + at)));
    }
  }
}
