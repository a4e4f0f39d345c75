package io.quern.cpu.math;

import static io.quern.runtime.MathConstants.*;
import static java.lang.Float.floatToRawIntBits;
import static java.lang.Float.intBitsToFloat;
import static java.lang.Math.abs;
import static java.lang.Math.fma;

/**
 * Functions of one float. {@link VectorMath} does the same IEEE operations in the same order, so
 * that results have the same bits at every vector width (NaN payloads excepted); a fused
 * multiply-add rounds once in both.
 *
 * <p>Names of algorithms say how the argument is reduced ({@code rr2}: by a constant in two parts),
 * the degree of the polynomial ({@code p6}), and whether there is a division ({@code div}). Errors
 * are the largest ones over all floats, in units of the last place (ulp) of the exact result; where
 * that is denormal, they are below one step of the denormals unless stated. NaN gives NaN.
 *
 * <p>Nothing here allocates or branches on values, except that {@link #sin} and {@link #cos} of
 * arguments beyond 2^20 call {@link StrictMath}.
 */
public final class ScalarMath {
  private ScalarMath() {}

  /**
   * The exponential, {@code exp_rr2_p6}, to 0.92 ulp.
   *
   * <p>{@code exp(x) = 2^n exp(r)} with n the integer next to {@code x / log(2)} and {@code r = x -
   * n log(2)}, log(2) in two parts (Cody, Waite). The product {@code n LN2_HI} cancels with x
   * without rounding. 2^n is applied in two factors, so that denormal results are rounded once.
   */
  public static float exp(float x) {
    float t = fma(x, LOG2_E, ROUND_BIAS_2);
    float n = t - ROUND_BIAS_2;
    float r = fma(n, -LN2_LO, fma(n, -LN2_HI, x));
    float y = scale(expPolynomial(r), t);
    y = x > EXP_MAX ? Float.POSITIVE_INFINITY : y;
    return x < EXP_MIN ? 0 : y;
  }

  /** {@link #exp} of {@code x <= 0}, with the same bits for less work. */
  public static float expNegative(float x) {
    float y = decay(-x);
    return x < EXP_MIN ? 0 : y;
  }

  /** {@code exp(-a)} for {@code 0 <= a <= 110}. */
  private static float decay(float a) {
    float t = fma(a, -LOG2_E, ROUND_BIAS_64);
    float n = t - ROUND_BIAS_64;
    return scaleDown(expPolynomial(fma(n, -LN2_LO, fma(n, -LN2_HI, -a))), t);
  }

  /** {@code exp(r)} for {@code |r| <= log(2) / 2}. */
  private static float expPolynomial(float r) {
    return fma(fma(expm1Tail(r), r, 1), r, 1);
  }

  /** {@code exp(r) - 1} for {@code |r| <= log(2) / 2}. */
  private static float expm1Polynomial(float r) {
    return fma(r * r, expm1Tail(r), r);
  }

  /** {@code (exp(r) - 1 - r) / r^2} for {@code |r| <= log(2) / 2}. */
  private static float expm1Tail(float r) {
    float p = fma(fma(EXP_4, r, EXP_3), r, EXP_2);
    return fma(fma(p, r, EXP_1), r, EXP_0);
  }

  /** {@code y * 2^n}, rounded once, with n from the low bits of t. */
  private static float scale(float y, float t) {
    int bits = floatToRawIntBits(t);
    int half = bits >>> 1;
    return y * intBitsToFloat(half << 23) * intBitsToFloat((bits - half) << 23);
  }

  /** {@code y * 2^n}, rounded once, for {@code n <= 0} from the low bits of t. */
  private static float scaleDown(float y, float t) {
    return y * intBitsToFloat(floatToRawIntBits(t) << 23) * TWO_M64;
  }

  /**
   * The natural logarithm, {@code log_p10}, to 0.88 ulp; -infinity at either zero, NaN below.
   *
   * <p>{@code log(x) = e log(2) + log(1 + f)} with {@code x = 2^e (1 + f)} and 1 + f between
   * sqrt(1/2) and sqrt(2), so that the terms do not cancel (Muller, Elementary Functions).
   * Denormals are scaled up first.
   */
  public static float log(float x) {
    boolean tiny = x < Float.MIN_NORMAL;
    int bits = floatToRawIntBits(tiny ? x * TWO_23 : x) - SQRT_HALF_BITS;
    float m = intBitsToFloat((bits & MANTISSA_BITS) + SQRT_HALF_BITS);
    float e = (float) (bits >> 23) - (tiny ? 23f : 0f);
    float f = m - 1;
    float y = fma(e, LN2_HI, f + fma(f * f, logPolynomial(f), e * LN2_LO));
    y = x < Float.POSITIVE_INFINITY ? y : x;
    y = x == 0 ? Float.NEGATIVE_INFINITY : y;
    return x < 0 ? Float.NaN : y;
  }

  /** {@code (log(1 + f) - f) / f^2} for 1 + f in sqrt(1/2)..sqrt(2). */
  private static float logPolynomial(float f) {
    float p = fma(fma(LOG_7, f, LOG_6), f, LOG_5);
    p = fma(fma(p, f, LOG_4), f, LOG_3);
    p = fma(fma(p, f, LOG_2), f, LOG_1);
    return fma(fma(p, f, LOG_0), f, -0.5f);
  }

  /**
   * The sine, {@code sin_rr3_p7}, to 1.7 ulp; NaN at infinities.
   *
   * <p>Up to 2^20 the argument is reduced to {@code r = |x| - n pi / 2}, pi / 2 in three parts of
   * 24 bits (Cody, Waite): n times the first part cancels with x without rounding, and the third
   * part reaches beyond the least r that a float of that size has. Even quadrants take the sine of
   * r, odd ones the cosine. Larger arguments are reduced by {@link StrictMath#sin}.
   */
  public static float sin(float x) {
    float a = abs(x);
    if (a > TRIG_MAX) {
      return (float) StrictMath.sin(x);
    }
    float t = fma(a, TWO_OVER_PI, ROUND);
    int quadrant = floatToRawIntBits(t);
    float y = sinOrCos(reduce(a, t - ROUND), quadrant);
    return intBitsToFloat(
        floatToRawIntBits(y) ^ ((floatToRawIntBits(x) ^ (quadrant << 30)) & SIGN_BIT));
  }

  /**
   * The cosine, {@code cos_rr3_p8}, to 1.9 ulp; NaN at infinities. Reduced like {@link #sin}, one
   * quadrant on.
   */
  public static float cos(float x) {
    float a = abs(x);
    if (a > TRIG_MAX) {
      return (float) StrictMath.cos(x);
    }
    float t = fma(a, TWO_OVER_PI, ROUND);
    int quadrant = floatToRawIntBits(t) + 1;
    float y = sinOrCos(reduce(a, t - ROUND), quadrant);
    return intBitsToFloat(floatToRawIntBits(y) ^ ((quadrant << 30) & SIGN_BIT));
  }

  /** {@code a - n * pi / 2}. */
  private static float reduce(float a, float n) {
    return fma(n, -PI_HALF_3, fma(n, -PI_HALF_2, fma(n, -PI_HALF_1, a)));
  }

  /** {@code sin(r)} in even quadrants, {@code cos(r)} in odd ones. */
  private static float sinOrCos(float r, int quadrant) {
    float z = r * r;
    float s = fma(r * z, fma(fma(SIN_2, z, SIN_1), z, SIN_0), r);
    float c = fma(z, fma(z, fma(fma(COS_2, z, COS_1), z, COS_0), -0.5f), 1);
    return (quadrant & 1) == 0 ? s : c;
  }

  /**
   * The hyperbolic tangent, {@code tanh_p9_expm1_rr2_p6_div}, to 1.5 ulp.
   *
   * <p>{@code tanh(x) = e / (e + 2)} with {@code e = exp(2 x) - 1}, which is {@code 2^n (exp(r) -
   * 1) + (2^n - 1)} and keeps its relative accuracy (Muller, Elementary Functions). Below 0.4,
   * where the rounding of {@code e + 2} counts most, an odd polynomial.
   */
  public static float tanh(float x) {
    float a = abs(x);
    float e = expm1(a * 2);
    float y = e / (e + 2);
    float z = a * a;
    float p = fma(fma(fma(TANH_3, z, TANH_2), z, TANH_1), z, TANH_0);
    y = a < TANH_SMALL ? fma(a * z, p, a) : y;
    return withSign(a > TANH_MAX ? 1 : y, x);
  }

  /** {@code exp(x) - 1} for {@code -25 < x < 25}. */
  private static float expm1(float x) {
    float t = fma(x, LOG2_E, ROUND_BIAS);
    float n = t - ROUND_BIAS;
    float r = fma(n, -LN2_LO, fma(n, -LN2_HI, x));
    float s = intBitsToFloat(floatToRawIntBits(t) << 23);
    return fma(s, expm1Polynomial(r), s - 1);
  }

  /** The magnitude of y, which is not negative, with the sign of x. */
  private static float withSign(float y, float x) {
    return intBitsToFloat(floatToRawIntBits(y) | (floatToRawIntBits(x) & SIGN_BIT));
  }

  /**
   * The logistic function {@code 1 / (1 + exp(-x))}, {@code sigmoid_rr2_p6_div}, to 1.7 ulp.
   *
   * <p>With {@code e = exp(-|x|)}, which cannot overflow, and {@code q = e / (1 + e)}: {@code 1 -
   * q} for positive x, {@code e - e q} for negative x, where it is more accurate than q.
   */
  public static float sigmoid(float x) {
    float a = abs(x);
    float e = decay(a > DECAY_MAX ? DECAY_MAX : a);
    float u = x < 0 ? e : 1;
    return fma(u, -(e / (e + 1)), u);
  }

  /**
   * The error function, {@code erf_p9_expm1_rr2_p6}, to 1.8 ulp.
   *
   * <p>{@code erf(x) = 1 - exp(x g(x))} with {@code g(x) = log(erfc(x)) / x}, a smooth function
   * that one polynomial covers: an error of g is damped by {@code x erfc(x) / erf(x)}, which was
   * the weight of the fit. Near zero {@code exp(y) - 1} keeps the relative accuracy of y. (Fits of
   * the kind of Abramowitz, Stegun 7.1.26, {@code 1 - p(t) exp(-x^2)}, cancel there.)
   */
  public static float erf(float x) {
    float a = abs(x);
    float p = fma(fma(ERF_8, a, ERF_7), a, ERF_6);
    p = fma(fma(p, a, ERF_5), a, ERF_4);
    p = fma(fma(p, a, ERF_3), a, ERF_2);
    p = fma(fma(p, a, ERF_1), a, ERF_0);
    float y = abs(expm1(fma(a, ERF_HI, a * p)));
    return withSign(a > ERF_MAX ? 1 : y, x);
  }

  /**
   * {@code x Phi(x)} with the normal distribution's Phi, {@code gelu_p9_div_rr2_p6}, to 3.7 ulp,
   * also in the negative tail; 1.8 steps for denormal results; -0 at -infinity.
   *
   * <p>With {@code t = |x|} the tail is {@code t Phi(-t) = exp(-t^2 / 2) v a(v)}, where {@code v =
   * t / (t + k)} maps the half line to 0..1 and a is a polynomial (Shepherd, Laframboise, Chebyshev
   * approximation of (1 + 2x) exp(x^2) erfc(x), Mathematics of Computation 36, 1981). The result is
   * -tail for negative x, x - tail for others. The rounding error of {@code t^2}, which exp would
   * magnify, is found by a fused multiply-add and added to the reduced argument.
   */
  public static float gelu(float x) {
    float a = abs(x);
    float t = a > GELU_MAX ? GELU_MAX : a;
    float m = millsPolynomial(t / (t + GELU_K));
    float b = t * -0.5f;
    float h = t * b;
    float k = fma(h, LOG2_E, ROUND_BIAS_64);
    float n = k - ROUND_BIAS_64;
    float r = fma(n, -LN2_LO, fma(n, -LN2_HI, h)) + fma(t, b, -h);
    float tail = scaleDown(fma(fma(expm1Tail(r), r, 1) * r, m, m), k);
    return (x < 0 ? -0f : x) - tail;
  }

  /** {@code t exp(t^2 / 2) Phi(-t)} with {@code v = t / (t + k)}. */
  private static float millsPolynomial(float v) {
    float p = fma(fma(GELU_9, v, GELU_8), v, GELU_7);
    p = fma(fma(p, v, GELU_6), v, GELU_5);
    p = fma(fma(p, v, GELU_4), v, GELU_3);
    p = fma(fma(p, v, GELU_2), v, GELU_1);
    return fma(p, v, GELU_0) * v;
  }

  /**
   * {@code x / (1 + exp(-x))}, {@code silu_rr2_p6_div}, to 3.4 ulp; 1.4 steps for denormal results;
   * -0 at -infinity.
   *
   * <p>For negative x {@code x e / (1 + e)} with {@code e = exp(x)}; the product {@code x e} is
   * taken before the scaling by 2^n, because e may be denormal where the product is not.
   */
  public static float silu(float x) {
    float a = abs(x);
    a = a > DECAY_MAX ? DECAY_MAX : a;
    float t = fma(a, -LOG2_E, ROUND_BIAS_64);
    float n = t - ROUND_BIAS_64;
    float p = expPolynomial(fma(n, -LN2_LO, fma(n, -LN2_HI, -a)));
    return (x < 0 ? scaleDown(p * -a, t) : x) / (scaleDown(p, t) + 1);
  }

  /**
   * {@code log(1 + exp(x))}, {@code softplus_exp_rr2_p6_log1p_p10}, to 1.9 ulp.
   *
   * <p>{@code max(x, 0) + log(1 + e)} with {@code e = exp(-|x|)} in 0..1. Up to sqrt(2) - 1, e is
   * the f of {@link #log}; above, {@code f = (e - 1) / 2} and log(2) is added. So 1 + e is never
   * rounded.
   */
  public static float softplus(float x) {
    float a = abs(x);
    float e = decay(a > DECAY_MAX ? DECAY_MAX : a);
    boolean upper = e > SQRT2_M1;
    float f = upper ? fma(e, 0.5f, -0.5f) : e;
    float y = fma(f * f, logPolynomial(f), f);
    return (x < 0 ? 0 : x) + (upper ? y + LN2_HI : y);
  }

  /**
   * To the nearest integer, halves to the even one; keeps the sign of zero. Adding 2^23 leaves no
   * bits for a fraction.
   */
  public static float rint(float x) {
    float a = abs(x);
    float y = withSign(a + TWO_23 - TWO_23, x);
    return a < TWO_23 ? y : x;
  }

  /** The largest integer not above x; keeps the sign of zero. */
  public static float floor(float x) {
    float a = abs(x);
    float y = withSign(a + TWO_23 - TWO_23, x);
    y = y > x ? y - 1 : y;
    return a < TWO_23 ? y : x;
  }

  /** The smallest integer not below x; -0 between -1 and -0. */
  public static float ceil(float x) {
    float a = abs(x);
    float y = withSign(a + TWO_23 - TWO_23, x);
    y = y < x ? y + 1 : y;
    return a < TWO_23 ? withSign(y, x) : x;
  }

  /** -1, 1, or x itself where it is a zero or NaN. */
  public static float sign(float x) {
    return abs(x) > 0 ? withSign(1, x) : x;
  }

  /** x where it is positive or NaN, else +0. */
  public static float relu(float x) {
    return x <= 0 ? 0 : x;
  }

  /** 1 where x is NaN, else 0. */
  public static float nanMask(float x) {
    return Float.isNaN(x) ? 1 : 0;
  }
}
