package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class RoundingTest {
  private static double halfToDouble(int bits) {
    return Float.float16ToFloat((short) bits);
  }

  private static double brainToDouble(int bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  private interface Decoder {
    double decode(int bits);
  }

  private interface Encoder {
    short encode(double value);
  }

  /** Every value of the type, its midpoints, and what lies just beside them. */
  private static void check(Decoder decoder, Encoder encoder, int infinity) {
    for (int bits = 0; bits < infinity; bits++) {
      double value = decoder.decode(bits);
      // The largest number and infinity have the midpoint to the number that would come next.
      double next =
          bits + 1 == infinity ? 2 * value - decoder.decode(bits - 1) : decoder.decode(bits + 1);
      double middle = (value + next) / 2;
      int even = bits + (bits & 1);
      require(encoder, value, bits);
      require(encoder, middle, even);
      require(encoder, Math.nextDown(middle), bits);
      require(encoder, Math.nextUp(middle), bits + 1);
    }
    require(encoder, Double.MAX_VALUE, infinity);
    require(encoder, Double.POSITIVE_INFINITY, infinity);
    require(encoder, Double.MIN_VALUE, 0);
  }

  private static void require(Encoder encoder, double value, int expected) {
    int positive = encoder.encode(value) & 0xFFFF;
    int negative = encoder.encode(-value) & 0xFFFF;
    if (positive != expected || negative != (expected | 0x8000)) {
      throw new AssertionError(
          value + " becomes " + positive + ", " + negative + " instead of " + expected);
    }
  }

  @Test
  void halvesAreTheNearest() {
    check(RoundingTest::halfToDouble, Rounding::toF16, 0x7C00);
    assertThat(halfToDouble(Rounding.toF16(Double.NaN))).isNaN();
  }

  @Test
  void brainFloatsAreTheNearest() {
    check(RoundingTest::brainToDouble, Rounding::toBF16, 0x7F80);
    assertThat(brainToDouble(Rounding.toBF16(Double.NaN))).isNaN();
    double signalling = Float.intBitsToFloat(0x7F800001);
    assertThat(brainToDouble(Rounding.toBF16(signalling))).isNaN();
  }

  @Test
  void longsBecomeTheNearestFloats() {
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 100_000; i++) {
      // A few high bits, then zeros, then a few low bits: near ties as often as not.
      long high = random.nextLong() & (-1L << (38 + i % 3));
      long value = (high + random.nextLong(-1, 2)) >> i % 64;
      require(value);
      require(-value);
    }
    long[] ends = {0, 1L << 53, (1L << 53) + 1, 1L << 62, Long.MIN_VALUE, Long.MAX_VALUE};
    for (long value : ends) {
      require(value);
    }
  }

  private static void require(long value) {
    if ((float) Rounding.toSticky(value) != (float) value) {
      throw new AssertionError(value + " becomes " + (float) Rounding.toSticky(value));
    }
  }
}
