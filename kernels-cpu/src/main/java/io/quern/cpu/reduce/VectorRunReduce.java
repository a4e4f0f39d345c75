package io.quern.cpu.reduce;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.elementwise.Specialised;
import io.quern.op.Reduce;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/** Template of the vector folds: four accumulators at a time, as often as 64 lanes need it. */
final class VectorRunReduce extends RunReduce {
  private static final Reduce.Fn FN = Specialised.constant(MethodHandles.lookup(), Reduce.Fn.class);

  static RunReduce specialised(Reduce.Fn fn) {
    return (RunReduce) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  float fold(float x, float y) {
    if (FN == Reduce.Fn.SUM) {
      return x + y;
    }
    if (FN == Reduce.Fn.PROD) {
      return x * y;
    }
    return FN == Reduce.Fn.MAX ? Math.max(x, y) : Math.min(x, y);
  }

  private static FloatVector apply(FloatVector x, FloatVector y) {
    if (FN == Reduce.Fn.SUM) {
      return x.add(y);
    }
    if (FN == Reduce.Fn.PROD) {
      return x.mul(y);
    }
    if (FN == Reduce.Fn.MAX) {
      return x.max(y);
    }
    return x.min(y);
  }

  @Override
  void accumulate(long from, long n, long scratch) {
    for (long lane = 0; lane < 4 * LANES; lane += 4L * BYTES) {
      quarter(from + lane, n, scratch + lane);
    }
  }

  private static void quarter(long from, long n, long scratch) {
    FloatVector neutral = FloatVector.broadcast(F32, neutral(FN));
    FloatVector s0 = neutral;
    FloatVector s1 = neutral;
    FloatVector s2 = neutral;
    FloatVector s3 = neutral;
    for (long i = 0; i < n; i += LANES) {
      s0 = apply(s0, FloatVector.fromMemorySegment(F32, ALL, from, ORDER));
      s1 = apply(s1, FloatVector.fromMemorySegment(F32, ALL, from + BYTES, ORDER));
      s2 = apply(s2, FloatVector.fromMemorySegment(F32, ALL, from + 2L * BYTES, ORDER));
      s3 = apply(s3, FloatVector.fromMemorySegment(F32, ALL, from + 3L * BYTES, ORDER));
      from += 4 * LANES;
    }
    s0.intoMemorySegment(ALL, scratch, ORDER);
    s1.intoMemorySegment(ALL, scratch + BYTES, ORDER);
    s2.intoMemorySegment(ALL, scratch + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, scratch + 3L * BYTES, ORDER);
  }

  @Override
  public void addRow(long from, long n, long to) {
    long bytes = 4 * n;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      apply(
              FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < bytes) {
      var mask = F32.indexInRange(0, (bytes - at) / 4);
      apply(
              FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER, mask),
              FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER, mask))
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }
}
