package io.quern.cpu.gemm;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHR;

import io.quern.cpu.Simd;
import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** By vectors of words. */
final class VectorBlockLoops extends BlockLoops {
  @Override
  void unpack(long from, int words, int shift, int mask, long zeros, long to) {
    long start = Raw.inRange(from);
    long zero = Raw.inRange(zeros);
    long result = Raw.inRange(to);
    int vectors = words / Simd.LANES;
    for (int i = 0; i < vectors; i++) {
      long at = (long) i * BYTES;
      IntVector bits =
          FloatVector.fromMemorySegment(F32, ALL, start + at, ORDER).reinterpretAsInts();
      FloatVector numbers = (FloatVector) bits.lanewise(LSHR, shift).and(mask).convert(I2F, 0);
      numbers
          .sub(FloatVector.fromMemorySegment(F32, ALL, zero + at, ORDER))
          .intoMemorySegment(ALL, result + at, ORDER);
    }
    long done = (long) vectors * BYTES;
    super.unpack(from + done, words - vectors * Simd.LANES, shift, mask, zeros + done, to + done);
  }

  @Override
  void addProducts(long numbers, long row, int places, int words, long scales, long lanes) {
    for (int lane = 0; lane < 4 * LANES; lane += BYTES) {
      addLanes(numbers + lane, row + lane, places, words, scales + lane, lanes + lane);
    }
  }

  private static void addLanes(
      long numbers, long row, int places, int words, long scales, long lanes) {
    long a = Raw.inRange(numbers);
    long b = Raw.inRange(row);
    long s = Raw.inRange(scales);
    FloatVector sum = FloatVector.zero(F32);
    for (int word = 0; word < words; word += LANES) {
      long at = 4L * word;
      FloatVector ofWords =
          FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER)
              .mul(FloatVector.fromMemorySegment(F32, ALL, b + at, ORDER));
      for (int place = 1; place < places; place++) {
        long next = at + 4L * place * words;
        ofWords =
            FloatVector.fromMemorySegment(F32, ALL, a + next, ORDER)
                .fma(FloatVector.fromMemorySegment(F32, ALL, b + next, ORDER), ofWords);
      }
      sum = ofWords.fma(FloatVector.fromMemorySegment(F32, ALL, s + at, ORDER), sum);
    }
    sum.intoMemorySegment(ALL, Raw.inRange(lanes), ORDER);
  }
}
