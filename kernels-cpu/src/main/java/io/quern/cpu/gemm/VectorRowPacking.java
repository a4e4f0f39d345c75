package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import java.util.function.IntUnaryOperator;
import jdk.incubator.vector.FloatVector;

/** Packs eight rows for tiles of that height, sixteen columns at a time, in vectors of 512 bits. */
final class VectorRowPacking {
  /** Lanes of two vectors alternately, of their first halves or their second. */
  private static final FloatVector LOW = alternately(1, 0);

  private static final FloatVector HIGH = alternately(1, LANES / 2);

  private static final FloatVector LOW_PAIRS = alternately(2, 0);
  private static final FloatVector HIGH_PAIRS = alternately(2, LANES / 2);
  private static final FloatVector LOW_FOURS = alternately(4, 0);
  private static final FloatVector HIGH_FOURS = alternately(4, LANES / 2);

  private VectorRowPacking() {}

  private static FloatVector alternately(int block, int first) {
    return select(
        i -> first + i / (2 * block) * block + i % block + (i / block % 2 == 0 ? 0 : LANES));
  }

  private static FloatVector select(IntUnaryOperator lane) {
    float[] lanes = new float[LANES];
    for (int i = 0; i < LANES; i++) {
      lanes[i] = lane.applyAsInt(i);
    }
    return FloatVector.fromArray(F32, lanes, 0);
  }

  /**
   * Packs k elements, at least sixteen, of rows that lie {@code row} bytes apart; the last sixteen
   * move back to end with the rows.
   */
  static void run(long from, long row, long k, long to) {
    for (long next = 0; next < k; next += LANES) {
      long t = Math.min(next, k - LANES);
      square(from + 4 * t, row, to + 32 * t);
    }
  }

  private static void square(long from, long row, long target) {
    FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from), ORDER);
    FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + row), ORDER);
    FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + 2 * row), ORDER);
    FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + 3 * row), ORDER);
    FloatVector x4 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + 4 * row), ORDER);
    FloatVector x5 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + 5 * row), ORDER);
    FloatVector x6 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + 6 * row), ORDER);
    FloatVector x7 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from + 7 * row), ORDER);
    long to = Raw.inRange(target);
    FloatVector low0 = LOW.selectFrom(x0, x1);
    FloatVector low1 = LOW.selectFrom(x2, x3);
    FloatVector low2 = LOW.selectFrom(x4, x5);
    FloatVector low3 = LOW.selectFrom(x6, x7);
    FloatVector lowUpper0 = LOW_PAIRS.selectFrom(low0, low1);
    FloatVector lowLower0 = LOW_PAIRS.selectFrom(low2, low3);
    FloatVector lowUpper1 = HIGH_PAIRS.selectFrom(low0, low1);
    FloatVector lowLower1 = HIGH_PAIRS.selectFrom(low2, low3);
    LOW_FOURS.selectFrom(lowUpper0, lowLower0).intoMemorySegment(ALL, to, ORDER);
    HIGH_FOURS.selectFrom(lowUpper0, lowLower0).intoMemorySegment(ALL, to + BYTES, ORDER);
    LOW_FOURS.selectFrom(lowUpper1, lowLower1).intoMemorySegment(ALL, to + 2L * BYTES, ORDER);
    HIGH_FOURS.selectFrom(lowUpper1, lowLower1).intoMemorySegment(ALL, to + 3L * BYTES, ORDER);
    FloatVector high0 = HIGH.selectFrom(x0, x1);
    FloatVector high1 = HIGH.selectFrom(x2, x3);
    FloatVector high2 = HIGH.selectFrom(x4, x5);
    FloatVector high3 = HIGH.selectFrom(x6, x7);
    FloatVector highUpper0 = LOW_PAIRS.selectFrom(high0, high1);
    FloatVector highLower0 = LOW_PAIRS.selectFrom(high2, high3);
    FloatVector highUpper1 = HIGH_PAIRS.selectFrom(high0, high1);
    FloatVector highLower1 = HIGH_PAIRS.selectFrom(high2, high3);
    LOW_FOURS.selectFrom(highUpper0, highLower0).intoMemorySegment(ALL, to + 4L * BYTES, ORDER);
    HIGH_FOURS.selectFrom(highUpper0, highLower0).intoMemorySegment(ALL, to + 5L * BYTES, ORDER);
    LOW_FOURS.selectFrom(highUpper1, highLower1).intoMemorySegment(ALL, to + 6L * BYTES, ORDER);
    HIGH_FOURS.selectFrom(highUpper1, highLower1).intoMemorySegment(ALL, to + 7L * BYTES, ORDER);
  }
}
