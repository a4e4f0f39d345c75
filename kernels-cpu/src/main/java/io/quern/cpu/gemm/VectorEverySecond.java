package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
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
      few(Raw.inRange(from), count, Raw.inRange(to));
      return;
    }
    long last = count - LANES;
    for (long i = 0; i < last; i += LANES) {
      long at = Raw.inRange(from + 8 * i);
      EVEN.selectFrom(
              FloatVector.fromMemorySegment(F32, ALL, at, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, at + BYTES, ORDER))
          .intoMemorySegment(ALL, Raw.inRange(to + 4 * i), ORDER);
    }
    long end = Raw.inRange(from + 8 * last - 4);
    ODD.selectFrom(
            FloatVector.fromMemorySegment(F32, ALL, end, ORDER),
            FloatVector.fromMemorySegment(F32, ALL, end + BYTES, ORDER))
        .intoMemorySegment(ALL, Raw.inRange(to + 4 * last), ORDER);
  }

  @Override
  public void copyRows(long from, long fromRow, long to, long toRow, long rows, long count) {
    if (count > LANES) {
      super.copyRows(from, fromRow, to, toRow, rows, count);
      return;
    }
    for (long i = 0; i < rows; i++) {
      few(Raw.inRange(from + i * fromRow), count, Raw.inRange(to + i * toRow));
    }
  }

  private static void few(long from, long count, long to) {
    long end = 2 * count - 1;
    EVEN.selectFrom(
            FloatVector.fromMemorySegment(F32, ALL, from, ORDER, F32.indexInRange(0, end)),
            FloatVector.fromMemorySegment(
                F32, ALL, from + BYTES, ORDER, F32.indexInRange(LANES, end)))
        .intoMemorySegment(ALL, to, ORDER, F32.indexInRange(0, count));
  }
}
