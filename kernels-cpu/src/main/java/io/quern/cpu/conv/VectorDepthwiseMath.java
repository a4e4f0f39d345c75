package io.quern.cpu.conv;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

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
  void correlate(long x, long y, int count, long lanes) {
    for (long first = 0; first < 4 * LANES; first += 4L * BYTES) {
      part(x + first, y + first, count, lanes + first);
    }
  }

  /** As many lanes as four vectors have. */
  private static void part(long x, long y, int count, long lanes) {
    FloatVector s0 = FloatVector.fromMemorySegment(F32, ALL, lanes, ORDER);
    FloatVector s1 = FloatVector.fromMemorySegment(F32, ALL, lanes + BYTES, ORDER);
    FloatVector s2 = FloatVector.fromMemorySegment(F32, ALL, lanes + 2L * BYTES, ORDER);
    FloatVector s3 = FloatVector.fromMemorySegment(F32, ALL, lanes + 3L * BYTES, ORDER);
    for (long at = 0; at < 4L * count; at += 4 * LANES) {
      long p = x + at;
      long q = y + at;
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, p, ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, p + BYTES, ORDER);
      FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, p + 2L * BYTES, ORDER);
      FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, p + 3L * BYTES, ORDER);
      s0 = x0.fma(FloatVector.fromMemorySegment(F32, ALL, q, ORDER), s0);
      s1 = x1.fma(FloatVector.fromMemorySegment(F32, ALL, q + BYTES, ORDER), s1);
      s2 = x2.fma(FloatVector.fromMemorySegment(F32, ALL, q + 2L * BYTES, ORDER), s2);
      s3 = x3.fma(FloatVector.fromMemorySegment(F32, ALL, q + 3L * BYTES, ORDER), s3);
    }
    s0.intoMemorySegment(ALL, lanes, ORDER);
    s1.intoMemorySegment(ALL, lanes + BYTES, ORDER);
    s2.intoMemorySegment(ALL, lanes + 2L * BYTES, ORDER);
    s3.intoMemorySegment(ALL, lanes + 3L * BYTES, ORDER);
  }
}
