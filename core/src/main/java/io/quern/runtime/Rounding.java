package io.quern.runtime;

/**
 * Conversion to narrow floats with a single rounding, to nearest and ties to even. Going through a
 * type in between would round twice; it is harmless only when that step rounds to odd (Boldo,
 * Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
 */
public final class Rounding {
  private Rounding() {}

  /** Bits of the IEEE binary16 nearest to {@code value}. */
  public static short toF16(double value) {
    return Float.floatToFloat16(toOddFloat(value));
  }

  /** Bits of the bfloat16 nearest to {@code value}; NaN stays NaN. */
  public static short toBF16(double value) {
    int bits = Float.floatToRawIntBits(toOddFloat(value));
    if (Double.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40);
    }
    int lastKept = (bits >>> 16) & 1;
    return (short) ((bits + 0x7FFF + lastKept) >>> 16);
  }

  /** The float next to {@code value} whose last bit is odd, or {@code value} if it is a float. */
  private static float toOddFloat(double value) {
    float nearest = (float) value;
    int bits = Float.floatToRawIntBits(nearest);
    if (nearest == value || Double.isNaN(value) || (bits & 1) != 0) {
      return nearest;
    }
    return Float.intBitsToFloat(Math.abs(nearest) < Math.abs(value) ? bits + 1 : bits - 1);
  }

  /** The double nearest to a number of 64 bits without sign, sticky as {@link #toSticky}. */
  public static double unsigned(long value) {
    return value >= 0 ? toSticky(value) : 2 * toSticky((value >>> 1) | (value & 1));
  }

  /** The number of 64 bits without sign that {@code value} is cut off to; saturates. */
  public static long toUnsigned(double value) {
    return value < 0x1p63
        ? Math.max(0, (long) value)
        : value < 0x1p64 ? (long) (value * 0.5) << 1 : Double.isNaN(value) ? 0 : -1;
  }

  /**
   * A double that narrower floats round as they would round {@code value}: its lowest bit is set
   * where bits of {@code value} were cut off.
   */
  public static double toSticky(long value) {
    if (Math.abs(value) <= 1L << 53 && value != Long.MIN_VALUE) {
      return (double) value;
    }
    long sticky = (value & 0x7FF) != 0 ? 1 : 0;
    return (value >> 11 | sticky) * 0x1p11;
  }
}
