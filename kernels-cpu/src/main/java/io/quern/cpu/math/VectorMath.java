package io.quern.cpu.math;

import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.math.Constants.*;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.XOR;

import io.quern.cpu.Simd;
import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Functions of float vectors of the species {@link Simd#F32}. Results have the same bits at every
 * vector width and in {@link ScalarMath}.
 */
public final class VectorMath {
  private VectorMath() {}

  private static FloatVector splat(float value) {
    return FloatVector.broadcast(F32, value);
  }

  /** {@code exp_rr2_p6}. */
  public static FloatVector exp(FloatVector x) {
    FloatVector t = x.fma(splat(LOG2_E), splat(ROUND_BIAS_2));
    FloatVector n = t.sub(ROUND_BIAS_2);
    FloatVector r = n.fma(splat(-LN2_LO), n.fma(splat(-LN2_HI), x));
    return scale(expPolynomial(r), t)
        .blend(Float.POSITIVE_INFINITY, x.compare(GT, EXP_MAX))
        .blend(0f, x.compare(LT, EXP_MIN));
  }

  private static FloatVector expOfNegative(FloatVector a) {
    FloatVector t = a.fma(splat(-LOG2_E), splat(ROUND_BIAS_2));
    FloatVector n = t.sub(ROUND_BIAS_2);
    return scale(expPolynomial(n.fma(splat(-LN2_LO), n.fma(splat(-LN2_HI), a.neg()))), t);
  }

  private static FloatVector expPolynomial(FloatVector r) {
    return expm1Polynomial(r).add(1f);
  }

  private static FloatVector expm1Polynomial(FloatVector r) {
    return r.mul(r)
        .fma(
            splat(EXP_4)
                .fma(r, splat(EXP_3))
                .fma(r, splat(EXP_2))
                .fma(r, splat(EXP_1))
                .fma(r, splat(EXP_0)),
            r);
  }

  private static FloatVector scale(FloatVector y, FloatVector t) {
    IntVector bits = t.reinterpretAsInts();
    IntVector half = bits.lanewise(LSHR, 1);
    return y.mul(half.lanewise(LSHL, 23).reinterpretAsFloats())
        .mul(bits.sub(half).lanewise(LSHL, 23).reinterpretAsFloats());
  }

  /** {@code log_p10}. */
  public static FloatVector log(FloatVector x) {
    var tiny = x.compare(LT, Float.MIN_NORMAL);
    IntVector bits = x.blend(x.mul(TWO_23), tiny).reinterpretAsInts().sub(SQRT_HALF_BITS);
    FloatVector f = bits.and(MANTISSA_BITS).add(SQRT_HALF_BITS).reinterpretAsFloats().sub(1f);
    FloatVector e =
        ((FloatVector) bits.lanewise(ASHR, 23).convert(I2F, 0)).sub(splat(0f).blend(23f, tiny));
    FloatVector y = e.fma(splat(LN2_HI), f.mul(f).fma(logPolynomial(f), e.mul(LN2_LO)).add(f));
    return x.blend(y, x.compare(LT, Float.POSITIVE_INFINITY))
        .blend(Float.NEGATIVE_INFINITY, x.compare(EQ, 0f))
        .blend(Float.NaN, x.compare(LT, 0f));
  }

  private static FloatVector logPolynomial(FloatVector f) {
    return splat(LOG_7)
        .fma(f, splat(LOG_6))
        .fma(f, splat(LOG_5))
        .fma(f, splat(LOG_4))
        .fma(f, splat(LOG_3))
        .fma(f, splat(LOG_2))
        .fma(f, splat(LOG_1))
        .fma(f, splat(LOG_0))
        .fma(f, splat(-0.5f));
  }

  /** {@code sin_rr3_p7}. */
  public static FloatVector sin(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector t = a.fma(splat(TWO_OVER_PI), splat(ROUND));
    IntVector quadrant = t.reinterpretAsInts();
    IntVector y = sinOrCos(reduce(a, t.sub(ROUND)), quadrant);
    IntVector sign = x.reinterpretAsInts().lanewise(XOR, quadrant.lanewise(LSHL, 30)).and(SIGN_BIT);
    var huge = a.compare(GT, TRIG_MAX);
    long rare = Scratch.NONE;
    if (huge.anyTrue()) {
      rare = Scratch.address();
      x.intoMemorySegment(Raw.ALL, rare, Raw.ORDER);
      Scratch.sin(rare);
    }
    return y.lanewise(XOR, sign)
        .reinterpretAsFloats()
        .blend(FloatVector.fromMemorySegment(F32, Raw.ALL, rare, Raw.ORDER), huge);
  }

  /** {@code cos_rr3_p8}. */
  public static FloatVector cos(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector t = a.fma(splat(TWO_OVER_PI), splat(ROUND));
    IntVector quadrant = t.reinterpretAsInts().add(1);
    IntVector y = sinOrCos(reduce(a, t.sub(ROUND)), quadrant);
    IntVector sign = quadrant.lanewise(LSHL, 30).and(SIGN_BIT);
    var huge = a.compare(GT, TRIG_MAX);
    long rare = Scratch.NONE;
    if (huge.anyTrue()) {
      rare = Scratch.address();
      x.intoMemorySegment(Raw.ALL, rare, Raw.ORDER);
      Scratch.cos(rare);
    }
    return y.lanewise(XOR, sign)
        .reinterpretAsFloats()
        .blend(FloatVector.fromMemorySegment(F32, Raw.ALL, rare, Raw.ORDER), huge);
  }

  private static FloatVector reduce(FloatVector a, FloatVector n) {
    return n.fma(splat(-PI_HALF_3), n.fma(splat(-PI_HALF_2), n.fma(splat(-PI_HALF_1), a)));
  }

  private static IntVector sinOrCos(FloatVector r, IntVector quadrant) {
    FloatVector z = r.mul(r);
    FloatVector s = r.mul(z).fma(splat(SIN_2).fma(z, splat(SIN_1)).fma(z, splat(SIN_0)), r);
    FloatVector c =
        splat(COS_2)
            .fma(z, splat(COS_1))
            .fma(z, splat(COS_0))
            .fma(z, splat(-0.5f))
            .fma(z, splat(1f));
    return s.reinterpretAsInts()
        .blend(c.reinterpretAsInts(), quadrant.lanewise(LSHL, 31).compare(LT, 0));
  }

  /** {@code tanh_expm1_rr2_p6_div}. */
  public static FloatVector tanh(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector e = expm1(a.add(a));
    return withSign(e.div(e.add(2f)).blend(1f, a.compare(GT, TANH_MAX)), x);
  }

  private static FloatVector expm1(FloatVector x) {
    FloatVector t = x.fma(splat(LOG2_E), splat(ROUND_BIAS));
    FloatVector n = t.sub(ROUND_BIAS);
    FloatVector r = n.fma(splat(-LN2_LO), n.fma(splat(-LN2_HI), x));
    FloatVector s = t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    return s.fma(expm1Polynomial(r), s.sub(1f));
  }

  private static FloatVector withSign(FloatVector y, FloatVector x) {
    return y.reinterpretAsInts().or(x.reinterpretAsInts().and(SIGN_BIT)).reinterpretAsFloats();
  }

  /** {@code sigmoid_rr2_p6_div}. */
  public static FloatVector sigmoid(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector e = expOfNegative(a.blend(SILU_MAX, a.compare(GT, SILU_MAX)));
    return splat(1f).blend(e, x.compare(LT, 0f)).div(e.add(1f));
  }

  /** {@code erf_p9_expm1_rr2_p6}. */
  public static FloatVector erf(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector p =
        splat(ERF_8)
            .fma(a, splat(ERF_7))
            .fma(a, splat(ERF_6))
            .fma(a, splat(ERF_5))
            .fma(a, splat(ERF_4))
            .fma(a, splat(ERF_3))
            .fma(a, splat(ERF_2))
            .fma(a, splat(ERF_1))
            .fma(a, splat(ERF_0));
    FloatVector y = expm1(a.fma(splat(ERF_HI), a.mul(p))).abs();
    return withSign(y.blend(1f, a.compare(GT, ERF_MAX)), x);
  }

  /** {@code gelu_p9_div_rr2_p6}. */
  public static FloatVector gelu(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector t = a.blend(GELU_MAX, a.compare(GT, GELU_MAX));
    FloatVector h = t.mul(t);
    FloatVector low = t.fma(t, h.neg());
    FloatVector k = h.fma(splat(-0.5f * LOG2_E), splat(ROUND_BIAS_2));
    FloatVector n = k.sub(ROUND_BIAS_2);
    FloatVector r = n.fma(splat(-LN2_LO), n.fma(splat(-LN2_HI), h.mul(-0.5f)));
    FloatVector e = expPolynomial(low.fma(splat(-0.5f), r));
    FloatVector tail = scale(millsPolynomial(t.div(t.add(GELU_K))).mul(e), k);
    return x.blend(-0f, x.compare(LT, 0f)).sub(tail);
  }

  private static FloatVector millsPolynomial(FloatVector v) {
    return splat(GELU_9)
        .fma(v, splat(GELU_8))
        .fma(v, splat(GELU_7))
        .fma(v, splat(GELU_6))
        .fma(v, splat(GELU_5))
        .fma(v, splat(GELU_4))
        .fma(v, splat(GELU_3))
        .fma(v, splat(GELU_2))
        .fma(v, splat(GELU_1))
        .fma(v, splat(GELU_0))
        .mul(v);
  }

  /** {@code silu_rr2_p6_div}. */
  public static FloatVector silu(FloatVector x) {
    FloatVector b = x.abs();
    FloatVector a = b.blend(SILU_MAX, b.compare(GT, SILU_MAX));
    FloatVector t = a.fma(splat(-LOG2_E), splat(ROUND_BIAS_2));
    FloatVector n = t.sub(ROUND_BIAS_2);
    FloatVector p = expPolynomial(n.fma(splat(-LN2_LO), n.fma(splat(-LN2_HI), a.neg())));
    FloatVector numerator = x.blend(scale(p.mul(a.neg()), t), x.compare(LT, 0f));
    return numerator.div(scale(p, t).add(1f));
  }

  /** {@code softplus_exp_rr2_p6_log1p_p10}. */
  public static FloatVector softplus(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector e = expOfNegative(a.blend(SILU_MAX, a.compare(GT, SILU_MAX)));
    var upper = e.compare(GT, SQRT2_M1);
    FloatVector f = e.blend(e.fma(splat(0.5f), splat(-0.5f)), upper);
    FloatVector y = f.mul(f).fma(logPolynomial(f), f);
    return x.blend(0f, x.compare(LT, 0f)).add(y.blend(y.add(LN2_HI), upper));
  }

  /** To the nearest integer, halves to the even one; keeps the sign of zero. */
  public static FloatVector rint(FloatVector x) {
    FloatVector a = x.abs();
    return x.blend(withSign(a.add(TWO_23).sub(TWO_23), x), a.compare(LT, TWO_23));
  }

  /** The largest integer not above x; keeps the sign of zero. */
  public static FloatVector floor(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector y = withSign(a.add(TWO_23).sub(TWO_23), x);
    return x.blend(y.blend(y.sub(1f), y.compare(GT, x)), a.compare(LT, TWO_23));
  }

  /** The smallest integer not below x; -0 between -1 and -0. */
  public static FloatVector ceil(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector y = withSign(a.add(TWO_23).sub(TWO_23), x);
    FloatVector up = withSign(y.blend(y.add(1f), y.compare(LT, x)), x);
    return x.blend(up, a.compare(LT, TWO_23));
  }

  /** -1, 1, or x itself where it is a zero or NaN. */
  public static FloatVector sign(FloatVector x) {
    return x.blend(withSign(splat(1f), x), x.abs().compare(GT, 0f));
  }

  /** x where it is positive or NaN, else +0. */
  public static FloatVector relu(FloatVector x) {
    return x.blend(0f, x.compare(LE, 0f));
  }

  /** 1 where x is NaN, else 0. */
  public static FloatVector nanMask(FloatVector x) {
    return splat(0f).blend(1f, x.compare(NE, x));
  }
}
