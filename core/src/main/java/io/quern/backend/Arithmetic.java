package io.quern.backend;

/**
 * Instructions on 32-bit values in straight-line code, each rounding as IEEE 754 says. What a value
 * is depends on who carries them out: a name in a program that is being written, or a number.
 *
 * @param <V> a float, an int or a truth value
 */
public interface Arithmetic<V> {
  /** A float. */
  V literal(float value);

  /** An int. */
  V literal(int value);

  /** {@code x + y} of floats. */
  V add(V x, V y);

  /** {@code x - y} of floats. */
  V sub(V x, V y);

  /** {@code x * y} of floats. */
  V mul(V x, V y);

  /** {@code x / y} of floats. */
  V div(V x, V y);

  /** {@code part / whole} of numbers of which neither is negative and the whole not extreme. */
  default V share(V part, V whole) {
    return div(part, whole);
  }

  /** {@code x * y + z}, rounded once. */
  V fma(V x, V y, V z);

  /** {@code -x}. */
  V neg(V x);

  /** The magnitude. */
  V abs(V x);

  /** The square root. */
  V sqrt(V x);

  /** The smaller one; NaN when either is NaN, and -0 is less than 0. */
  V min(V x, V y);

  /** The larger one; NaN when either is NaN, and -0 is less than 0. */
  V max(V x, V y);

  /** Whether {@code x < y}. */
  V less(V x, V y);

  /** Whether {@code x == y}. */
  V equal(V x, V y);

  /** Whether a float is NaN. */
  V isNaN(V x);

  /** One of two floats. */
  V select(V condition, V then, V otherwise);

  /** The bits of a float as an int. */
  V bits(V x);

  /** The float with these bits. */
  V fromBits(V x);

  /** An int as a float, rounded. */
  V toFloat(V x);

  /** {@code x + y} of ints. */
  V plus(V x, V y);

  /** {@code x - y} of ints. */
  V minus(V x, V y);

  /** Bits that both have. */
  V and(V x, V y);

  /** Bits that either has. */
  V or(V x, V y);

  /** Bits moved up. */
  V shiftLeft(V x, int by);

  /** Fills with the sign. */
  V shiftRight(V x, int by);

  /** Fills with zeros. */
  V shiftRightUnsigned(V x, int by);
}
