package io.quern.cpu.conv;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import jdk.incubator.vector.FloatVector;

/**
 * By two vectors of which half the lanes are kept: the even ones, and the odd ones of the last two,
 * which end with the last float that is wanted.
 */
final class VectorEverySecond extends EverySecond {
  private static final FloatVector EVEN = FloatVector.zero(F32).addIndex(2);
  private static final FloatVector ODD = EVEN.add(1);

  @Override
  public void copy(long from, long count, long to) {
    if (count <= LANES) {
      super.copy(from, count, to);
      return;
    }
    long last = count - LANES;
    for (long i = 0; i < last; i += LANES) {
      EVEN.selectFrom(
              FloatVector.fromMemorySegment(F32, ALL, from + 8 * i, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, from + 8 * i + BYTES, ORDER))
          .intoMemorySegment(ALL, to + 4 * i, ORDER);
    }
    long end = from + 8 * last - 4;
    ODD.selectFrom(
            FloatVector.fromMemorySegment(F32, ALL, end, ORDER),
            FloatVector.fromMemorySegment(F32, ALL, end + BYTES, ORDER))
        .intoMemorySegment(ALL, to + 4 * last, ORDER);
  }
}
