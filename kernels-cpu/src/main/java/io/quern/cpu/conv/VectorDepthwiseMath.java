package io.quern.cpu.conv;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Four vectors at a time, so that the latency of the multiply-adds is hidden. */
final class VectorDepthwiseMath extends DepthwiseMath {
  @Override
  void filter(long plane, long offsets, long weights, int taps, long out, int count) {
    long table = Raw.inRange(offsets);
    long factors = Raw.inRange(weights);
    for (long at = 0; at < 4L * count; at += 4L * BYTES) {
      long base = Raw.inRange(plane + at);
      long to = Raw.inRange(out + at);
      FloatVector s0 = FloatVector.zero(F32);
      FloatVector s1 = s0;
      FloatVector s2 = s0;
      FloatVector s3 = s0;
      for (int tap = 0; tap < taps; tap++) {
        long from = base + (Raw.getInt(table + 4L * tap) & Integer.MAX_VALUE);
        FloatVector w = FloatVector.broadcast(F32, Raw.getFloat(factors + 4L * tap));
        s0 = w.fma(FloatVector.fromMemorySegment(F32, ALL, from, ORDER), s0);
        s1 = w.fma(FloatVector.fromMemorySegment(F32, ALL, from + BYTES, ORDER), s1);
        s2 = w.fma(FloatVector.fromMemorySegment(F32, ALL, from + 2L * BYTES, ORDER), s2);
        s3 = w.fma(FloatVector.fromMemorySegment(F32, ALL, from + 3L * BYTES, ORDER), s3);
      }
      s0.intoMemorySegment(ALL, to, ORDER);
      s1.intoMemorySegment(ALL, to + BYTES, ORDER);
      s2.intoMemorySegment(ALL, to + 2L * BYTES, ORDER);
      s3.intoMemorySegment(ALL, to + 3L * BYTES, ORDER);
    }
  }

  @Override
  void correlate(
      long plane, int[] offsets, long pitch, long matrix, int rows, int columns, long lanes) {
    for (int tap = 0; tap < offsets.length; tap++) {
      for (int lane = 0; lane < Math.min(LANES, columns); lane += F32.length()) {
        long first = 4L * lane;
        correlate(
            plane + offsets[tap] + first,
            pitch,
            matrix + first,
            rows,
            columns - lane,
            4L * columns,
            lanes + 4L * LANES * tap + first);
      }
    }
  }

  /** As many lanes as a vector has. */
  private static void correlate(
      long plane, long pitch, long matrix, int rows, int columns, long rowBytes, long lanes) {
    FloatVector sum = FloatVector.fromMemorySegment(F32, ALL, lanes, ORDER);
    for (int row = 0; row < rows; row++) {
      long x = plane + row * pitch;
      long y = matrix + row * rowBytes;
      int column = 0;
      for (; column + F32.length() <= columns; column += LANES) {
        FloatVector left = FloatVector.fromMemorySegment(F32, ALL, x + 4L * column, ORDER);
        FloatVector right = FloatVector.fromMemorySegment(F32, ALL, y + 4L * column, ORDER);
        sum = left.fma(right, sum);
      }
      if (column < columns) {
        VectorMask<Float> mask = F32.indexInRange(column, columns);
        FloatVector left = FloatVector.fromMemorySegment(F32, ALL, x + 4L * column, ORDER, mask);
        FloatVector right = FloatVector.fromMemorySegment(F32, ALL, y + 4L * column, ORDER, mask);
        sum = sum.blend(left.fma(right, sum), mask);
      }
    }
    sum.intoMemorySegment(ALL, lanes, ORDER);
  }
}
