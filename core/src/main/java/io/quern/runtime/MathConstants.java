package io.quern.runtime;

/**
 * Constants of the formulas by which every device computes exp, log, tanh and the like.
 *
 * <p>Sums of constants named {@code _HI} and {@code _LO}, or {@code _1} to {@code _3}, hold a real
 * number to more than 24 bits (Cody, Waite, Software Manual for the Elementary Functions, 1980).
 * Polynomials are minimax fits by the Remez exchange algorithm with the relative error of the
 * function as weight, whose coefficients were rounded to float one after the other, the ones still
 * free being fitted again each time (Muller, Elementary Functions). Digits in other names are the
 * power a coefficient belongs to.
 */
public final class MathConstants {
  public static final int SIGN_BIT = 0x80000000;
  public static final int MANTISSA_BITS = 0x007fffff;
  public static final int ONE_BITS = 0x3f800000;

  /** From here on every float is an integer. */
  public static final float TWO_23 = 0x1p23f;

  /** Adding it rounds to an integer, found in the low bits of the sum. */
  public static final float ROUND = 0x1.8p23f;

  /** {@link #ROUND} with the exponent bias of a float. */
  public static final float ROUND_BIAS = 0x1.8p23f + 127;

  /** {@link #ROUND} with twice the exponent bias of a float, for 2^n in two factors. */
  public static final float ROUND_BIAS_2 = 0x1.8p23f + 254;

  /** {@link #ROUND_BIAS} for 2^(n + 64). */
  public static final float ROUND_BIAS_64 = 0x1.8p23f + 127 + 64;

  public static final float TWO_M64 = 0x1p-64f;

  public static final float LOG2_E = 0x1.715476p0f;
  public static final float LN2_HI = 0x1.62e430p-1f;
  public static final float LN2_LO = -0x1.05c610p-29f;

  /** {@code (exp(r) - 1 - r) / r^2} for {@code |r| <= log(2) / 2}; exp(r) - 1 to 2^-26.1. */
  public static final float EXP_0 = 0x1.fffffep-2f;

  public static final float EXP_1 = 0x1.5554aap-3f;
  public static final float EXP_2 = 0x1.55579ap-5f;
  public static final float EXP_3 = 0x1.122c3cp-7f;
  public static final float EXP_4 = 0x1.6abfd6p-10f;

  /** exp is 0 below and infinite above; the true limits lie within. */
  public static final float EXP_MIN = -104f;

  public static final float EXP_MAX = 89f;

  /** Bits of sqrt(1/2), the least mantissa after reduction for log. */
  public static final int SQRT_HALF_BITS = 0x3f3504f3;

  /** {@code (log(1 + f) - f + f^2 / 2) / f^3} for 1 + f in sqrt(1/2)..sqrt(2); log to 2^-27.3. */
  public static final float LOG_0 = 0x1.555554p-2f;

  public static final float LOG_1 = -0x1.000228p-2f;
  public static final float LOG_2 = 0x1.99a036p-3f;
  public static final float LOG_3 = -0x1.547222p-3f;
  public static final float LOG_4 = 0x1.22d5acp-3f;
  public static final float LOG_5 = -0x1.0d81e0p-3f;
  public static final float LOG_6 = 0x1.057b34p-3f;
  public static final float LOG_7 = -0x1.391b08p-4f;

  /** sqrt(2) - 1. */
  public static final float SQRT2_M1 = 0x1.a8279ap-2f;

  /** Largest magnitude that sin and cos reduce with three parts of pi/2. */
  public static final float TRIG_MAX = 0x1p20f;

  public static final float TWO_OVER_PI = 0x1.45f306p-1f;
  public static final float PI_HALF_1 = 0x1.921fb6p0f;
  public static final float PI_HALF_2 = -0x1.777a5cp-25f;
  public static final float PI_HALF_3 = -0x1.ee59dap-50f;

  /** {@code (sin(r) - r) / r^3} in r^2 for {@code |r| <= pi/4}; sin to 2^-27.9. */
  public static final float SIN_0 = -0x1.555546p-3f;

  public static final float SIN_1 = 0x1.110774p-7f;
  public static final float SIN_2 = -0x1.9951eap-13f;

  /** {@code (cos(r) - 1 + r^2 / 2) / r^4} in r^2 for {@code |r| <= pi/4}; cos to 2^-33. */
  public static final float COS_0 = 0x1.55554ap-5f;

  public static final float COS_1 = -0x1.6c0c28p-10f;
  public static final float COS_2 = 0x1.99e80cp-16f;

  /** Up to here tanh is a polynomial. */
  public static final float TANH_SMALL = 0.4f;

  /** {@code (tanh(x) - x) / x^3} in x^2 for x in 0..0.4; tanh to 2^-29. */
  public static final float TANH_0 = -0x1.55553ep-2f;

  public static final float TANH_1 = 0x1.1105ecp-3f;
  public static final float TANH_2 = -0x1.b6c5d4p-5f;
  public static final float TANH_3 = 0x1.330dd0p-6f;

  /** From here on tanh is 1. */
  public static final float TANH_MAX = 9.02f;

  /** From here on erf is 1. */
  public static final float ERF_MAX = 4f;

  /** {@code log(erfc(x)) / x} for x in 0..4, in the sum {@code ERF_HI + ERF_0}; erf to 2^-27.9. */
  public static final float ERF_HI = -0x1.20dd76p0f;

  public static final float ERF_0 = 0x1.d094eep-25f;
  public static final float ERF_1 = -0x1.45f2fap-1f;
  public static final float ERF_2 = -0x1.a4fa4cp-4f;
  public static final float ERF_3 = 0x1.39ccdep-6f;
  public static final float ERF_4 = 0x1.51116ap-13f;
  public static final float ERF_5 = -0x1.b511c2p-10f;
  public static final float ERF_6 = 0x1.4bd7d6p-11f;
  public static final float ERF_7 = -0x1.ed7ff8p-14f;
  public static final float ERF_8 = 0x1.369dcep-17f;

  /** Below its negative gelu is 0. */
  public static final float GELU_MAX = 15f;

  /** The k of {@code v = t / (t + k)}. */
  public static final float GELU_K = 2.5f;

  /** {@code (t + k) exp(t^2 / 2) Phi(-t)} in v for t in 0..13.3, to 2^-25.9. */
  public static final float GELU_0 = 1.25f;

  public static final float GELU_1 = -0x1.3e4ef2p0f;
  public static final float GELU_2 = 0x1.5b5890p-3f;
  public static final float GELU_3 = 0x1.2af0c0p-2f;
  public static final float GELU_4 = 0x1.c746d8p-5f;
  public static final float GELU_5 = -0x1.2f23f6p-3f;
  public static final float GELU_6 = 0x1.12f0d4p-3f;
  public static final float GELU_7 = -0x1.3c1688p-2f;
  public static final float GELU_8 = 0x1.1b4042p-2f;
  public static final float GELU_9 = -0x1.435772p-4f;

  /** From here on {@code exp(-a)} and {@code a exp(-a)} are 0. */
  public static final float DECAY_MAX = 110f;

  private MathConstants() {}
}
