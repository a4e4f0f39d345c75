package io.quern.onnx;

import java.util.HashMap;
import java.util.Map;

/**
 * Floats of 8, 6 and 4 bits, as <a href="https://onnx.ai/onnx/technical/index.html">ONNX defines
 * them</a>: how to read them, and how numbers are rounded to them.
 *
 * @param exponentBits width of the exponent
 * @param mantissaBits width of the mantissa
 * @param bias of the exponent
 * @param largest the largest finite number
 * @param overflow what is beyond, unless it saturates: infinity or NaN; the largest number where
 *     there is neither
 */
record SmallFloat(int exponentBits, int mantissaBits, int bias, double largest, double overflow) {
  private static final double INFINITE = Double.POSITIVE_INFINITY;

  /** Where a number between two powers of two goes. */
  enum Rounding {
    UP,
    DOWN,
    /** To the nearest power; what is in the middle goes up. */
    NEAREST
  }

  static SmallFloat of(ElementType type) {
    return switch (type) {
      case FLOAT8E4M3FN -> new SmallFloat(4, 3, 7, 448, Double.NaN);
      case FLOAT8E4M3FNUZ -> new SmallFloat(4, 3, 8, 240, Double.NaN);
      case FLOAT8E5M2 -> new SmallFloat(5, 2, 15, 57344, INFINITE);
      case FLOAT8E5M2FNUZ -> new SmallFloat(5, 2, 16, 57344, Double.NaN);
      case FLOAT6E2M3 -> new SmallFloat(2, 3, 1, 7.5, 7.5);
      case FLOAT6E3M2 -> new SmallFloat(3, 2, 3, 28, 28);
      case FLOAT4E2M1 -> new SmallFloat(2, 1, 1, 6, 6);
      case FLOAT8E8M0 -> new SmallFloat(8, 0, 127, 0x1p127, Double.NaN);
      default -> throw new IllegalArgumentException("onnx: " + type + " is not a small float");
    };
  }

  /** Powers of two: neither a sign nor zero nor infinities. */
  private boolean isScale() {
    return exponentBits == 8;
  }

  /** Number of bits. */
  int bits() {
    return exponentBits + mantissaBits + (isScale() ? 0 : 1);
  }

  /** Neither negative zero nor infinities: the code of negative zero is NaN. */
  private boolean isUnsignedZero() {
    return bias == 1 << (exponentBits - 1);
  }

  /** The number with these bits. */
  double decode(int code) {
    if (isScale()) {
      return code == 0xFF ? Double.NaN : Math.scalb(1.0, code - bias);
    }
    int sign = code >> (exponentBits + mantissaBits);
    int magnitude = code & ((1 << (exponentBits + mantissaBits)) - 1);
    int exponent = magnitude >> mantissaBits;
    int mantissa = magnitude & ((1 << mantissaBits) - 1);
    double value =
        exponent == 0
            ? Math.scalb((double) mantissa, 1 - bias - mantissaBits)
            : Math.scalb((double) ((1 << mantissaBits) + mantissa), exponent - bias - mantissaBits);
    if (isUnsignedZero() && sign == 1 && magnitude == 0) {
      return Double.NaN;
    }
    if (value > largest) {
      value = overflow == INFINITE && mantissa == 0 ? INFINITE : Double.NaN;
    }
    return sign == 1 ? -value : value;
  }

  /**
   * The nearest number of this type, halves to even; too large ones saturate or overflow. NaN,
   * where the type has none, becomes negative zero, as in ONNX's conformance cases.
   */
  double round(double value, boolean saturate) {
    if (Double.isNaN(value)) {
      return overflow == largest ? -0.0 : Double.NaN;
    }
    double size = Math.abs(value);
    double rounded = size;
    if (size != 0 && size != INFINITE) {
      int exponent = Math.max(Math.getExponent(size), 1 - bias);
      double unit = Math.scalb(1.0, exponent - mantissaBits);
      rounded = Math.rint(size / unit) * unit;
    }
    if (rounded > largest) {
      rounded = saturate && !(size == INFINITE && isUnsignedZero()) ? largest : overflow;
    }
    return rounded == 0 && isUnsignedZero() ? 0 : Math.copySign(rounded, value);
  }

  /**
   * The power of two that this type has for a number's magnitude. What is out of range then, zero
   * and infinity too, saturates or becomes NaN.
   */
  double roundScale(double value, Rounding rounding, boolean saturate) {
    double size = Math.abs(value);
    double least = Math.scalb(1.0, -bias);
    double power = size;
    if (size > 0 && size < INFINITE) {
      int exponent = Math.getExponent(Math.max(size, Double.MIN_NORMAL));
      power = Math.scalb(1.0, exponent);
      boolean goesUp =
          switch (rounding) {
            case UP -> size > power;
            case DOWN -> false;
            case NEAREST -> size >= 1.5 * power;
          };
      power = goesUp ? 2 * power : power;
    }
    if (Double.isNaN(power) || (power >= least && power <= largest)) {
      return power;
    }
    return saturate ? Math.clamp(power, least, largest) : Double.NaN;
  }

  /** The bits of numbers of this type; those of NaN are missing where several are NaN. */
  Map<Double, Integer> codes() {
    Map<Double, Integer> codes = new HashMap<>();
    int nans = 0;
    for (int code = 0; code < 1 << bits(); code++) {
      double value = decode(code);
      codes.put(value, code);
      nans += Double.isNaN(value) ? 1 : 0;
    }
    if (nans > 1) {
      codes.remove(Double.NaN);
    }
    return codes;
  }
}
