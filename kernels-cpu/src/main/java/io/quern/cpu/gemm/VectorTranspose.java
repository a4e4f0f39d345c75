package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import java.util.function.IntUnaryOperator;
import jdk.incubator.vector.FloatVector;

/**
 * By squares of a vector's length: squares of 4x4 within, then blocks of four lanes among vectors.
 * The last squares move back to end with the matrix and copy some elements again.
 */
final class VectorTranspose extends Transpose {
  /** Lanes of two vectors alternately, of each block of four the first two or the last two. */
  private static final FloatVector LOW = select(i -> (i & ~3) + (i & 3) / 2 + (i & 1) * LANES);

  private static final FloatVector HIGH = select(i -> (i & ~3) + 2 + (i & 3) / 2 + (i & 1) * LANES);

  /** Blocks of four lanes of two vectors alternately, from the first half or the second. */
  private static final FloatVector LOW_BLOCKS = select(VectorTranspose::block);

  private static final FloatVector HIGH_BLOCKS = select(i -> LANES / 2 + block(i));

  private static int block(int lane) {
    return lane / 8 * 4 + (lane & 3) + (lane / 4 & 1) * LANES;
  }

  private static FloatVector select(IntUnaryOperator lane) {
    float[] lanes = new float[LANES];
    for (int i = 0; i < LANES; i++) {
      lanes[i] = lane.applyAsInt(i);
    }
    return FloatVector.fromArray(F32, lanes, 0);
  }

  @Override
  public void run(
      long from, long fromRow, long rows, long columns, long to, long toRow, long scratch) {
    if (rows < LANES || columns < LANES) {
      super.run(from, fromRow, rows, columns, to, toRow, scratch);
      return;
    }
    for (long next = 0; next < rows; next += LANES) {
      long i = Math.min(next, rows - LANES);
      for (long nextColumn = 0; nextColumn < columns; nextColumn += LANES) {
        long j = Math.min(nextColumn, columns - LANES);
        square(from + i * fromRow + 4 * j, fromRow, to + j * toRow + 4 * i, toRow, scratch);
      }
    }
  }

  private static void square(long from, long fromRow, long to, long toRow, long scratch) {
    if (LANES == 4) {
      within(from, fromRow, to, toRow);
      return;
    }
    within(from, fromRow, scratch, BYTES);
    if (LANES == 8) {
      halves(scratch, to, toRow);
    } else {
      quarters(scratch, to, toRow);
    }
  }

  /** Transposes all squares of 4x4. */
  private static void within(long from, long fromRow, long to, long targetRow) {
    long toRow = Raw.inRange(targetRow);
    for (int i = 0; i < LANES; i += 4) {
      to = Raw.inRange(to);
      long from1 = Raw.inRange(from + fromRow);
      long from2 = Raw.inRange(from + 2 * fromRow);
      long from3 = Raw.inRange(from + 3 * fromRow);
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, Raw.inRange(from), ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, from1, ORDER);
      FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, from2, ORDER);
      FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, from3, ORDER);
      FloatVector y0 = LOW.selectFrom(x0, x2);
      FloatVector y1 = HIGH.selectFrom(x0, x2);
      FloatVector y2 = LOW.selectFrom(x1, x3);
      FloatVector y3 = HIGH.selectFrom(x1, x3);
      LOW.selectFrom(y0, y2).intoMemorySegment(ALL, to, ORDER);
      HIGH.selectFrom(y0, y2).intoMemorySegment(ALL, to + toRow, ORDER);
      LOW.selectFrom(y1, y3).intoMemorySegment(ALL, to + 2 * toRow, ORDER);
      HIGH.selectFrom(y1, y3).intoMemorySegment(ALL, to + 3 * toRow, ORDER);
      from += 4 * fromRow;
      to += 4 * toRow;
    }
  }

  /** Transposes the squares as elements of 2x2. */
  private static void halves(long from, long to, long targetRow) {
    long toRow = Raw.inRange(targetRow);
    for (int i = 0; i < 4; i++) {
      from = Raw.inRange(from);
      to = Raw.inRange(to);
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, from, ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, from + 4L * BYTES, ORDER);
      LOW_BLOCKS.selectFrom(x0, x1).intoMemorySegment(ALL, to, ORDER);
      HIGH_BLOCKS.selectFrom(x0, x1).intoMemorySegment(ALL, to + 4 * toRow, ORDER);
      from += BYTES;
      to += toRow;
    }
  }

  /** Transposes the squares as elements of 4x4. */
  private static void quarters(long from, long to, long targetRow) {
    long toRow = Raw.inRange(targetRow);
    for (int i = 0; i < 4; i++) {
      from = Raw.inRange(from);
      to = Raw.inRange(to);
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, from, ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, from + 4L * BYTES, ORDER);
      FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, from + 8L * BYTES, ORDER);
      FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, from + 12L * BYTES, ORDER);
      FloatVector y0 = LOW_BLOCKS.selectFrom(x0, x2);
      FloatVector y1 = HIGH_BLOCKS.selectFrom(x0, x2);
      FloatVector y2 = LOW_BLOCKS.selectFrom(x1, x3);
      FloatVector y3 = HIGH_BLOCKS.selectFrom(x1, x3);
      LOW_BLOCKS.selectFrom(y0, y2).intoMemorySegment(ALL, to, ORDER);
      HIGH_BLOCKS.selectFrom(y0, y2).intoMemorySegment(ALL, to + 4 * toRow, ORDER);
      LOW_BLOCKS.selectFrom(y1, y3).intoMemorySegment(ALL, to + 8 * toRow, ORDER);
      HIGH_BLOCKS.selectFrom(y1, y3).intoMemorySegment(ALL, to + 12 * toRow, ORDER);
      from += BYTES;
      to += toRow;
    }
  }
}
