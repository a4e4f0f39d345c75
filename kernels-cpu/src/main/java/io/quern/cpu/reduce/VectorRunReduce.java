package io.quern.cpu.reduce;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.elementwise.Specialised;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * Template of the vector folds. What a loop carries is an argument of its calls, never what they
 * are called on: the compiler would not know its class.
 */
final class VectorRunReduce extends RunReduce {
  private static final Reduce.Fn FN = Specialised.constant(MethodHandles.lookup(), Reduce.Fn.class);

  private static final VectorOperators.Associative OP = operator();

  /** Bytes of a block of elements, one for each lane. */
  private static final long ROW = 4 * LANES;

  private static final VectorShuffle<Float> DOWN8 = down(8);
  private static final VectorShuffle<Float> DOWN4 = down(4);
  private static final VectorShuffle<Float> DOWN2 = down(2);
  private static final VectorShuffle<Float> DOWN1 = down(1);

  private static VectorOperators.Associative operator() {
    if (FN == Reduce.Fn.SUM) {
      return VectorOperators.ADD;
    }
    if (FN == Reduce.Fn.PROD) {
      return VectorOperators.MUL;
    }
    return FN == Reduce.Fn.MAX ? VectorOperators.MAX : VectorOperators.MIN;
  }

  static RunReduce specialised(Reduce.Fn fn) {
    return (RunReduce) Specialised.copy(MethodHandles.lookup(), fn);
  }

  @Override
  public void clear(long scratch) {
    FloatVector neutral = FloatVector.broadcast(F32, neutral(FN));
    for (long lane = 0; lane < SCRATCH; lane += BYTES) {
      neutral.intoMemorySegment(ALL, scratch + lane, ORDER);
    }
  }

  @Override
  public float foldLanes(long lanes) {
    lanes = Raw.inRange(lanes);
    for (long at = lanes; at < lanes + ROW / 4; at += BYTES) {
      FloatVector even =
          FloatVector.fromMemorySegment(F32, ALL, at, ORDER)
              .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, at + ROW / 2, ORDER));
      FloatVector odd =
          FloatVector.fromMemorySegment(F32, ALL, at + ROW / 4, ORDER)
              .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, at + 3 * ROW / 4, ORDER));
      even.lanewise(OP, odd).intoMemorySegment(ALL, at, ORDER);
    }
    for (long half = LANES / 8; half >= F32.length(); half /= 2) {
      addRow(lanes + 4 * half, half, lanes);
    }
    FloatVector x = FloatVector.fromMemorySegment(F32, ALL, lanes, ORDER);
    if (F32.length() > 8) {
      x = x.lanewise(OP, x.rearrange(DOWN8));
    }
    if (F32.length() > 4) {
      x = x.lanewise(OP, x.rearrange(DOWN4));
    }
    x = x.lanewise(OP, x.rearrange(DOWN2));
    return x.lanewise(OP, x.rearrange(DOWN1)).lane(0);
  }

  private static VectorShuffle<Float> down(int lanes) {
    return VectorShuffle.fromOp(F32, i -> (i + lanes) % F32.length());
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

  /**
   * A run of whole blocks never leaves the registers: a load that looks like one of what was stored
   * for the run before would wait for that run's end.
   */
  @Override
  public float run(long from, long n, long scratch) {
    return 4L * BYTES == ROW && n % LANES == 0
        ? foldBlocks(from, (int) (n / LANES))
        : super.run(from, n, scratch);
  }

  private static float foldBlocks(long from, int blocks) {
    long x = Raw.inRange(from);
    FloatVector none = FloatVector.broadcast(F32, neutral(FN));
    FloatVector a = none;
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    for (int i = 0; i < blocks; i++) {
      long at = x + i * ROW;
      a = FloatVector.fromMemorySegment(F32, ALL, at, ORDER).lanewise(OP, a);
      b = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER).lanewise(OP, b);
      c = FloatVector.fromMemorySegment(F32, ALL, at + 2L * BYTES, ORDER).lanewise(OP, c);
      d = FloatVector.fromMemorySegment(F32, ALL, at + 3L * BYTES, ORDER).lanewise(OP, d);
    }
    FloatVector even = none.lanewise(OP, a).lanewise(OP, c);
    FloatVector odd = none.lanewise(OP, b).lanewise(OP, d);
    FloatVector fold = even.lanewise(OP, odd);
    fold = fold.lanewise(OP, fold.rearrange(DOWN8));
    fold = fold.lanewise(OP, fold.rearrange(DOWN4));
    fold = fold.lanewise(OP, fold.rearrange(DOWN2));
    return fold.lanewise(OP, fold.rearrange(DOWN1)).lane(0);
  }

  /** Four vectors of lanes at a time, which are all of them where vectors have 512 bits. */
  @Override
  public void accumulate(long from, long n, long lanes) {
    for (long lane = 0; lane < ROW; lane += 4L * BYTES) {
      addFour(from + lane, (int) (n / LANES), lanes + lane);
    }
  }

  private static void addFour(long from, int blocks, long lanes) {
    long x = Raw.inRange(from);
    long to = Raw.inRange(lanes);
    FloatVector a = FloatVector.fromMemorySegment(F32, ALL, to, ORDER);
    FloatVector b = FloatVector.fromMemorySegment(F32, ALL, to + BYTES, ORDER);
    FloatVector c = FloatVector.fromMemorySegment(F32, ALL, to + 2L * BYTES, ORDER);
    FloatVector d = FloatVector.fromMemorySegment(F32, ALL, to + 3L * BYTES, ORDER);
    for (int i = 0; i < blocks; i++) {
      long at = x + i * ROW;
      a = FloatVector.fromMemorySegment(F32, ALL, at, ORDER).lanewise(OP, a);
      b = FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER).lanewise(OP, b);
      c = FloatVector.fromMemorySegment(F32, ALL, at + 2L * BYTES, ORDER).lanewise(OP, c);
      d = FloatVector.fromMemorySegment(F32, ALL, at + 3L * BYTES, ORDER).lanewise(OP, d);
    }
    a.intoMemorySegment(ALL, to, ORDER);
    b.intoMemorySegment(ALL, to + BYTES, ORDER);
    c.intoMemorySegment(ALL, to + 2L * BYTES, ORDER);
    d.intoMemorySegment(ALL, to + 3L * BYTES, ORDER);
  }

  @Override
  void addRest(long from, long n, long to) {
    long bytes = 4 * n;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    for (; at < bytes; at += 4) {
      Raw.putFloat(to + at, apply(Raw.getFloat(to + at), Raw.getFloat(from + at)));
    }
  }

  /** Of narrow rows some columns after the other: their accumulators stay in registers. */
  @Override
  void addRows(long from, long n, long count, long to) {
    if (n >= LANES) {
      super.addRows(from, n, count, to);
      return;
    }
    long at = 0;
    for (; at + BYTES <= 4 * n; at += BYTES) {
      addColumn(from + at, 4 * n, (int) count, to + at);
    }
    if (at < 4 * n) {
      addColumn(from + at, 4 * n, (int) count, to + at, n - at / 4);
    }
  }

  private static void addColumn(long from, long stride, int count, long to) {
    FloatVector fold = FloatVector.fromMemorySegment(F32, ALL, to, ORDER);
    for (int i = 0; i < count; i++) {
      fold = fold.lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, from + i * stride, ORDER));
    }
    fold.intoMemorySegment(ALL, to, ORDER);
  }

  private static void addColumn(long from, long stride, int count, long to, long lanes) {
    var mask = F32.indexInRange(0, lanes);
    FloatVector fold = FloatVector.fromMemorySegment(F32, ALL, to, ORDER, mask);
    for (int i = 0; i < count; i++) {
      fold =
          fold.lanewise(
              OP, FloatVector.fromMemorySegment(F32, ALL, from + i * stride, ORDER, mask));
    }
    fold.intoMemorySegment(ALL, to, ORDER, mask);
  }

  @Override
  public void addRow(long from, long n, long to) {
    long bytes = 4 * n;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER))
          .intoMemorySegment(ALL, to + at, ORDER);
    }
    if (at < bytes) {
      var mask = F32.indexInRange(0, (bytes - at) / 4);
      FloatVector.fromMemorySegment(F32, ALL, to + at, ORDER, mask)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER, mask))
          .intoMemorySegment(ALL, to + at, ORDER, mask);
    }
  }
}
