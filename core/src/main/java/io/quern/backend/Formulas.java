package io.quern.backend;

import static io.quern.runtime.MathConstants.*;

import io.quern.op.Binary;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.List;

/**
 * The elementwise functions as instructions: the same operations in the same order as on the CPU,
 * where {@code ScalarMath} explains them, so that results have the same bits.
 *
 * @param <V> a float, an int or a truth value
 */
public final class Formulas<V> {
  private final Arithmetic<V> on;

  /** Formulas that are carried out by {@code on}. */
  public Formulas(Arithmetic<V> on) {
    this.on = on;
  }

  /** Whether there is a formula for every function of a chain. */
  public static boolean cover(ScalarProgram program) {
    return program.steps().stream()
        .allMatch(
            step ->
                switch (step) {
                  case ScalarProgram.Literal _ -> true;
                  case ScalarProgram.Apply1(var fn, _) -> fn != Unary.Fn.SIN && fn != Unary.Fn.COS;
                  case ScalarProgram.Apply2(var fn, _, _) -> fn != Binary.Fn.POW;
                });
  }

  /** The result of a chain on one element of each input. */
  public V run(ScalarProgram program, List<V> inputs) {
    List<V> values = new ArrayList<>(inputs);
    for (ScalarProgram.Step step : program.steps()) {
      values.add(
          switch (step) {
            case ScalarProgram.Literal(double value) -> on.literal((float) value);
            case ScalarProgram.Apply1(var fn, int x) -> unary(fn, values.get(x));
            case ScalarProgram.Apply2(var fn, int x, int y) ->
                binary(fn, values.get(x), values.get(y));
          });
    }
    return values.getLast();
  }

  private V binary(Binary.Fn fn, V x, V y) {
    return switch (fn) {
      case ADD -> on.add(x, y);
      case SUB -> on.sub(x, y);
      case MUL -> on.mul(x, y);
      case DIV -> on.div(x, y);
      case MIN -> on.min(x, y);
      case MAX -> on.max(x, y);
      case GATE -> on.select(on.less(number(0), y), x, number(0));
      case POW -> throw new IllegalArgumentException("no formula for " + fn);
    };
  }

  private V unary(Unary.Fn fn, V x) {
    return switch (fn) {
      case NEG -> on.neg(x);
      case ABS -> on.abs(x);
      case SIGN -> on.select(on.less(number(0), on.abs(x)), withSign(number(1), x), x);
      case SQUARE -> on.mul(x, x);
      case RELU -> on.max(x, number(0));
      case SQRT -> on.sqrt(x);
      case RSQRT -> on.div(number(1), on.sqrt(x));
      case RECIPROCAL -> on.div(number(1), x);
      case EXP -> exp(x);
      case LOG -> log(x);
      case TANH -> tanh(x);
      case SIGMOID -> sigmoid(x);
      case ERF -> erf(x);
      case GELU -> gelu(x);
      case SILU -> silu(x);
      case SOFTPLUS -> softplus(x);
      case SOFTSIGN -> on.div(x, on.add(number(1), on.abs(x)));
      case FLOOR -> floor(x);
      case CEIL -> ceil(x);
      case ROUND -> on.select(on.less(on.abs(x), number(TWO_23)), nearest(x), x);
      case NAN_MASK -> on.select(on.isNaN(x), number(1), number(0));
      case SIN, COS -> throw new IllegalArgumentException("no formula for " + fn);
    };
  }

  private V number(float value) {
    return on.literal(value);
  }

  private V fma(V x, V y, float z) {
    return on.fma(x, y, number(z));
  }

  /** The polynomial with these coefficients, the leading one first. */
  private V polynomial(V x, float... coefficients) {
    V y = number(coefficients[0]);
    for (int i = 1; i < coefficients.length; i++) {
      y = fma(y, x, coefficients[i]);
    }
    return y;
  }

  private V expm1Tail(V r) {
    return polynomial(r, EXP_4, EXP_3, EXP_2, EXP_1, EXP_0);
  }

  private V expPolynomial(V r) {
    return fma(fma(expm1Tail(r), r, 1), r, 1);
  }

  private V expm1Polynomial(V r) {
    return on.fma(on.mul(r, r), expm1Tail(r), r);
  }

  /** {@code x - n log(2)}. */
  private V withoutLog2(V n, V x) {
    return on.fma(n, number(-LN2_LO), on.fma(n, number(-LN2_HI), x));
  }

  private V exponent(V bits) {
    return on.fromBits(on.shiftLeft(bits, 23));
  }

  private V scaleDown(V y, V t) {
    return on.mul(on.mul(y, exponent(on.bits(t))), number(TWO_M64));
  }

  private V withSign(V y, V x) {
    V sign = on.and(on.bits(x), on.literal(SIGN_BIT));
    return on.fromBits(on.or(on.bits(y), sign));
  }

  private V isNegative(V x) {
    return on.less(x, number(0));
  }

  /** {@code exp(x)}. */
  public V exp(V x) {
    V t = fma(x, number(LOG2_E), ROUND_BIAS_2);
    V n = on.sub(t, number(ROUND_BIAS_2));
    V bits = on.bits(t);
    V half = on.shiftRightUnsigned(bits, 1);
    V y = on.mul(expPolynomial(withoutLog2(n, x)), exponent(half));
    y = on.mul(y, exponent(on.minus(bits, half)));
    y = on.select(on.less(number(EXP_MAX), x), number(Float.POSITIVE_INFINITY), y);
    return on.select(on.less(x, number(EXP_MIN)), number(0), y);
  }

  /** {@code exp(x)} for {@code x <= 0}. */
  public V expNegative(V x) {
    V t = fma(x, number(LOG2_E), ROUND_BIAS_64);
    V n = on.sub(t, number(ROUND_BIAS_64));
    V y = scaleDown(expPolynomial(withoutLog2(n, x)), t);
    return on.select(on.less(x, number(EXP_MIN)), number(0), y);
  }

  /** {@code exp(-a)} for {@code 0 <= a <= 110}. */
  private V decay(V a) {
    V t = fma(a, number(-LOG2_E), ROUND_BIAS_64);
    V n = on.sub(t, number(ROUND_BIAS_64));
    return scaleDown(expPolynomial(withoutLog2(n, on.neg(a))), t);
  }

  private V atMost(V x, float most) {
    return on.select(on.less(number(most), x), number(most), x);
  }

  private V logPolynomial(V f) {
    return polynomial(f, LOG_7, LOG_6, LOG_5, LOG_4, LOG_3, LOG_2, LOG_1, LOG_0, -0.5f);
  }

  private V log(V x) {
    V tiny = on.less(x, number(Float.MIN_NORMAL));
    V bits =
        on.minus(
            on.bits(on.select(tiny, on.mul(x, number(TWO_23)), x)), on.literal(SQRT_HALF_BITS));
    V m = on.fromBits(on.plus(on.and(bits, on.literal(MANTISSA_BITS)), on.literal(SQRT_HALF_BITS)));
    V e = on.sub(on.toFloat(on.shiftRight(bits, 23)), on.select(tiny, number(23), number(0)));
    V f = on.sub(m, number(1));
    V low = on.fma(on.mul(f, f), logPolynomial(f), on.mul(e, number(LN2_LO)));
    V y = on.fma(e, number(LN2_HI), on.add(f, low));
    y = on.select(on.less(x, number(Float.POSITIVE_INFINITY)), y, x);
    y = on.select(on.equal(x, number(0)), number(Float.NEGATIVE_INFINITY), y);
    return on.select(isNegative(x), number(Float.NaN), y);
  }

  private V tanh(V x) {
    V a = on.abs(x);
    V e = expm1(on.mul(a, number(2)));
    V y = on.share(e, on.add(e, number(2)));
    V z = on.mul(a, a);
    V p = polynomial(z, TANH_3, TANH_2, TANH_1, TANH_0);
    y = on.select(on.less(a, number(TANH_SMALL)), on.fma(on.mul(a, z), p, a), y);
    return withSign(on.select(on.less(number(TANH_MAX), a), number(1), y), x);
  }

  /** {@code exp(x) - 1} for {@code -25 < x < 25}. */
  private V expm1(V x) {
    V t = fma(x, number(LOG2_E), ROUND_BIAS);
    V n = on.sub(t, number(ROUND_BIAS));
    V s = exponent(on.bits(t));
    return on.fma(s, expm1Polynomial(withoutLog2(n, x)), on.sub(s, number(1)));
  }

  private V sigmoid(V x) {
    V e = decay(atMost(on.abs(x), DECAY_MAX));
    V u = on.select(isNegative(x), e, number(1));
    return on.fma(u, on.neg(on.share(e, on.add(e, number(1)))), u);
  }

  private V erf(V x) {
    V a = on.abs(x);
    V p = polynomial(a, ERF_8, ERF_7, ERF_6, ERF_5, ERF_4, ERF_3, ERF_2, ERF_1, ERF_0);
    V y = on.abs(expm1(on.fma(a, number(ERF_HI), on.mul(a, p))));
    return withSign(on.select(on.less(number(ERF_MAX), a), number(1), y), x);
  }

  private V gelu(V x) {
    V t = atMost(on.abs(x), GELU_MAX);
    V v = on.share(t, on.add(t, number(GELU_K)));
    V m =
        on.mul(
            polynomial(
                v, GELU_9, GELU_8, GELU_7, GELU_6, GELU_5, GELU_4, GELU_3, GELU_2, GELU_1, GELU_0),
            v);
    V b = on.mul(t, number(-0.5f));
    V h = on.mul(t, b);
    V k = fma(h, number(LOG2_E), ROUND_BIAS_64);
    V n = on.sub(k, number(ROUND_BIAS_64));
    V r = on.add(withoutLog2(n, h), on.fma(t, b, on.neg(h)));
    V tail = scaleDown(on.fma(on.mul(fma(expm1Tail(r), r, 1), r), m, m), k);
    // Compilers turn the choice between -0 and x into a maximum, which takes zeros for equal.
    return on.select(isNegative(x), on.neg(tail), on.sub(x, tail));
  }

  private V silu(V x) {
    V a = atMost(on.abs(x), DECAY_MAX);
    V t = fma(a, number(-LOG2_E), ROUND_BIAS_64);
    V n = on.sub(t, number(ROUND_BIAS_64));
    V p = expPolynomial(withoutLog2(n, on.neg(a)));
    V numerator = on.select(isNegative(x), scaleDown(on.mul(p, on.neg(a)), t), x);
    return on.div(numerator, on.add(scaleDown(p, t), number(1)));
  }

  private V softplus(V x) {
    V e = decay(atMost(on.abs(x), DECAY_MAX));
    V upper = on.less(number(SQRT2_M1), e);
    V f = on.select(upper, fma(e, number(0.5f), -0.5f), e);
    V y = on.fma(on.mul(f, f), logPolynomial(f), f);
    V positive = on.select(isNegative(x), number(0), x);
    return on.add(positive, on.select(upper, on.add(y, number(LN2_HI)), y));
  }

  /** The nearest integer, right below 2^23. */
  private V nearest(V x) {
    V a = on.abs(x);
    return withSign(on.sub(on.add(a, number(TWO_23)), number(TWO_23)), x);
  }

  private V floor(V x) {
    V y = nearest(x);
    y = on.select(on.less(x, y), on.sub(y, number(1)), y);
    return on.select(on.less(on.abs(x), number(TWO_23)), y, x);
  }

  private V ceil(V x) {
    V y = nearest(x);
    y = on.select(on.less(y, x), on.add(y, number(1)), y);
    return on.select(on.less(on.abs(x), number(TWO_23)), withSign(y, x), x);
  }
}
