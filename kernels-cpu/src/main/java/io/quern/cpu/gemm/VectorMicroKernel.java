package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.FLOAT;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/**
 * Tiles of two vectors a row: what does not depend on the number of rows.
 *
 * <p>The loop over k is a method of its own without anything that can be left out of it: beyond
 * 18,000 nodes C2 calls the next load of a scalar instead of inlining it, with all sums spilled
 * around the call, and a method with many ends or early vectors is more than C1 can compile.
 */
abstract class VectorMicroKernel extends MicroKernel {
  /** What strides and offsets have no more bits than; the compiler then knows their range. */
  static final long POSITIVE = Integer.MAX_VALUE;

  /** The kernel for the number of registers. */
  static MicroKernel create() {
    return ROWS == 8 ? new VectorMicroKernel8() : new VectorMicroKernel6();
  }

  @Override
  public int columns() {
    return 2 * LANES;
  }

  @Override
  public String name() {
    return "gemm_f32_" + ROWS + "x" + 2 * LANES;
  }

  @Override
  public void fill(long values, long c, long cRow) {
    for (int i = 0; i < ROWS; i++) {
      FloatVector value = FloatVector.broadcast(F32, ALL.get(FLOAT, values + 4L * i));
      value.intoMemorySegment(ALL, c, ORDER);
      value.intoMemorySegment(ALL, c + BYTES, ORDER);
      c += cRow;
    }
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    FloatVector add = FloatVector.broadcast(F32, bias);
    long bytes = 4 * count;
    if (bytes < BYTES) {
      var mask = F32.indexInRange(0, count);
      FloatVector.fromMemorySegment(F32, ALL, from, ORDER, mask)
          .add(add)
          .intoMemorySegment(ALL, to, ORDER, mask);
      return;
    }
    // The last vector moves back to end with the row.
    for (long next = 0; next < bytes; next += BYTES) {
      long at = Math.min(next, bytes - BYTES);
      FloatVector.fromMemorySegment(F32, ALL, from + at, ORDER)
          .add(add)
          .intoMemorySegment(ALL, to + at, ORDER);
    }
  }

  @Override
  public void copyRows(
      long from, long fromRow, long to, long toRow, long rows, long count, float bias) {
    FloatVector add = FloatVector.broadcast(F32, bias);
    long whole = count / LANES * (long) BYTES;
    var rest = F32.indexInRange(0, count % LANES);
    for (long i = 0; i < rows; i++) {
      long source = Raw.inRange(from + i * fromRow);
      long target = Raw.inRange(to + i * toRow);
      for (int at = 0; at < whole; at += BYTES) {
        FloatVector.fromMemorySegment(F32, ALL, source + at, ORDER)
            .add(add)
            .intoMemorySegment(ALL, target + at, ORDER);
      }
      FloatVector.fromMemorySegment(F32, ALL, source + whole, ORDER, rest)
          .add(add)
          .intoMemorySegment(ALL, target + whole, ORDER, rest);
    }
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    for (long t = 0; t < k; t++) {
      long source = Raw.inRange(from + t * row);
      long target = Raw.inRange(to + t * 2 * BYTES);
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, source, ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, source + BYTES, ORDER);
      x0.intoMemorySegment(ALL, target, ORDER);
      x1.intoMemorySegment(ALL, target + BYTES, ORDER);
    }
  }

  @Override
  public void gatherRows(long from, long offsets, long k, long to) {
    for (int t = 0; t < k; t++) {
      long row = Raw.inRange(from + Raw.getInt(offsets + 4L * t));
      long target = Raw.inRange(to + 2L * BYTES * t);
      FloatVector.fromMemorySegment(F32, ALL, row, ORDER).intoMemorySegment(ALL, target, ORDER);
      FloatVector.fromMemorySegment(F32, ALL, row + BYTES, ORDER)
          .intoMemorySegment(ALL, target + BYTES, ORDER);
    }
  }

  @Override
  public void packColumns(long from, long row, long k, long to) {
    if (LANES == 16 && k >= LANES) {
      VectorRowPacking.run(from, row, k, to);
    } else {
      super.packColumns(from, row, k, to);
    }
  }
}
