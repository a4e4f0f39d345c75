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

/** Template of the vector folds. */
final class VectorRunReduce extends RunReduce {
  private static final Reduce.Fn FN = Specialised.constant(MethodHandles.lookup(), Reduce.Fn.class);

  private static final VectorOperators.Associative OP = operator();

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
  float foldLanes(long lanes) {
    for (long half = LANES / 2; half >= F32.length(); half /= 2) {
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
   * The lanes stay in memory between blocks: vectors that a loop carries from turn to turn are
   * sometimes kept as objects.
   */
  @Override
  void accumulate(long from, long n, long lanes) {
    long row = 4 * LANES;
    long end = from + 4 * n;
    for (; from + 4 * row <= end; from += 4 * row) {
      for (long lane = 0; lane < row; lane += BYTES) {
        long at = from + lane;
        FloatVector.fromMemorySegment(F32, ALL, lanes + lane, ORDER)
            .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, at, ORDER))
            .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, at + row, ORDER))
            .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, at + 2 * row, ORDER))
            .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, at + 3 * row, ORDER))
            .intoMemorySegment(ALL, lanes + lane, ORDER);
      }
    }
    for (; from < end; from += row) {
      addBlock(from, lanes);
    }
  }

  private static void addBlock(long from, long lanes) {
    for (long lane = 0; lane < 4 * LANES; lane += BYTES) {
      FloatVector.fromMemorySegment(F32, ALL, lanes + lane, ORDER)
          .lanewise(OP, FloatVector.fromMemorySegment(F32, ALL, from + lane, ORDER))
          .intoMemorySegment(ALL, lanes + lane, ORDER);
    }
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
