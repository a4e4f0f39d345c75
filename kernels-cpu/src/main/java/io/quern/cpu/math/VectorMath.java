package io.quern.cpu.math;

import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.MathConstants.*;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.FMA;
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
 * The functions of {@link ScalarMath} for vectors of the species {@link Simd#F32}, with the same
 * bits at every vector width (NaN payloads excepted). Formulas and errors are documented there.
 *
 * <p>Every function is one straight line of Vector API calls and calls no method of our own: where
 * C2 does not inline such a call, the vectors that it takes and returns become objects, and past a
 * certain number of nodes C2 inlines only the methods that the JDK forces it to.
 */
public final class VectorMath {
  private VectorMath() {}

  /** See {@link ScalarMath#exp}. */
  public static FloatVector exp(FloatVector x) {
    FloatVector t = x.fma(LOG2_E, ROUND_BIAS_2);
    FloatVector n = t.sub(ROUND_BIAS_2);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, x));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    FloatVector y = p.lanewise(FMA, r, 1f).lanewise(FMA, r, 1f);
    IntVector bits = t.reinterpretAsInts();
    IntVector half = bits.lanewise(LSHR, 1);
    return y.mul(half.lanewise(LSHL, 23).reinterpretAsFloats())
        .mul(bits.sub(half).lanewise(LSHL, 23).reinterpretAsFloats())
        .blend(Float.POSITIVE_INFINITY, x.compare(GT, EXP_MAX))
        .blend(0f, x.compare(LT, EXP_MIN));
  }

  /** See {@link ScalarMath#expNegative}. */
  public static FloatVector expNegative(FloatVector x) {
    FloatVector t = x.fma(LOG2_E, ROUND_BIAS_64);
    FloatVector n = t.sub(ROUND_BIAS_64);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, x));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    return p.lanewise(FMA, r, 1f)
        .lanewise(FMA, r, 1f)
        .mul(t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats())
        .mul(TWO_M64)
        .blend(0f, x.compare(LT, EXP_MIN));
  }

  /** See {@link ScalarMath#log}. */
  public static FloatVector log(FloatVector x) {
    var tiny = x.compare(LT, Float.MIN_NORMAL);
    IntVector bits = x.blend(x.mul(TWO_23), tiny).reinterpretAsInts().sub(SQRT_HALF_BITS);
    FloatVector e = (FloatVector) bits.lanewise(ASHR, 23).convert(I2F, 0);
    e = e.blend(e.sub(23f), tiny);
    FloatVector f = bits.and(MANTISSA_BITS).add(SQRT_HALF_BITS).reinterpretAsFloats().sub(1f);
    FloatVector p =
        f.fma(LOG_7, LOG_6)
            .lanewise(FMA, f, LOG_5)
            .lanewise(FMA, f, LOG_4)
            .lanewise(FMA, f, LOG_3)
            .lanewise(FMA, f, LOG_2)
            .lanewise(FMA, f, LOG_1)
            .lanewise(FMA, f, LOG_0)
            .lanewise(FMA, f, -0.5f);
    FloatVector y = e.lanewise(FMA, LN2_HI, f.mul(f).fma(p, e.mul(LN2_LO)).add(f));
    return x.blend(y, x.compare(LT, Float.POSITIVE_INFINITY))
        .blend(Float.NEGATIVE_INFINITY, x.compare(EQ, 0f))
        .blend(Float.NaN, x.compare(LT, 0f));
  }

  /** See {@link ScalarMath#sin}. */
  public static FloatVector sin(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector t = a.fma(TWO_OVER_PI, ROUND);
    FloatVector n = t.sub(ROUND);
    FloatVector r = n.lanewise(FMA, -PI_HALF_2, n.lanewise(FMA, -PI_HALF_1, a));
    r = n.lanewise(FMA, -PI_HALF_3, r);
    FloatVector z = r.mul(r);
    FloatVector s = r.mul(z).fma(z.fma(SIN_2, SIN_1).lanewise(FMA, z, SIN_0), r);
    FloatVector c =
        z.fma(COS_2, COS_1).lanewise(FMA, z, COS_0).lanewise(FMA, z, -0.5f).lanewise(FMA, z, 1f);
    IntVector quadrant = t.reinterpretAsInts();
    IntVector y =
        s.reinterpretAsInts()
            .blend(c.reinterpretAsInts(), quadrant.lanewise(LSHL, 31).compare(LT, 0));
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

  /** See {@link ScalarMath#cos}. */
  public static FloatVector cos(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector t = a.fma(TWO_OVER_PI, ROUND);
    FloatVector n = t.sub(ROUND);
    FloatVector r = n.lanewise(FMA, -PI_HALF_2, n.lanewise(FMA, -PI_HALF_1, a));
    r = n.lanewise(FMA, -PI_HALF_3, r);
    FloatVector z = r.mul(r);
    FloatVector s = r.mul(z).fma(z.fma(SIN_2, SIN_1).lanewise(FMA, z, SIN_0), r);
    FloatVector c =
        z.fma(COS_2, COS_1).lanewise(FMA, z, COS_0).lanewise(FMA, z, -0.5f).lanewise(FMA, z, 1f);
    IntVector quadrant = t.reinterpretAsInts().add(1);
    IntVector y =
        s.reinterpretAsInts()
            .blend(c.reinterpretAsInts(), quadrant.lanewise(LSHL, 31).compare(LT, 0));
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

  /** See {@link ScalarMath#tanh}. */
  public static FloatVector tanh(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector b = a.mul(2f);
    FloatVector t = b.fma(LOG2_E, ROUND_BIAS);
    FloatVector n = t.sub(ROUND_BIAS);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, b));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    FloatVector s = t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    FloatVector e = s.fma(r.mul(r).fma(p, r), s.sub(1f));
    FloatVector z = a.mul(a);
    FloatVector q = z.fma(TANH_3, TANH_2).lanewise(FMA, z, TANH_1).lanewise(FMA, z, TANH_0);
    FloatVector y =
        e.div(e.add(2f))
            .blend(a.mul(z).fma(q, a), a.compare(LT, TANH_SMALL))
            .blend(1f, a.compare(GT, TANH_MAX));
    return y.reinterpretAsInts().or(x.reinterpretAsInts().and(SIGN_BIT)).reinterpretAsFloats();
  }

  /** See {@link ScalarMath#sigmoid}. */
  public static FloatVector sigmoid(FloatVector x) {
    FloatVector a = x.abs();
    a = a.blend(DECAY_MAX, a.compare(GT, DECAY_MAX));
    FloatVector t = a.fma(-LOG2_E, ROUND_BIAS_64);
    FloatVector n = t.sub(ROUND_BIAS_64);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, a.neg()));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    FloatVector y = p.lanewise(FMA, r, 1f).lanewise(FMA, r, 1f);
    FloatVector e =
        y.mul(t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats()).mul(TWO_M64);
    FloatVector u = FloatVector.broadcast(F32, 1f).blend(e, x.compare(LT, 0f));
    return u.fma(e.div(e.add(1f)).neg(), u);
  }

  /** See {@link ScalarMath#erf}. */
  public static FloatVector erf(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector g =
        a.fma(ERF_8, ERF_7)
            .lanewise(FMA, a, ERF_6)
            .lanewise(FMA, a, ERF_5)
            .lanewise(FMA, a, ERF_4)
            .lanewise(FMA, a, ERF_3)
            .lanewise(FMA, a, ERF_2)
            .lanewise(FMA, a, ERF_1)
            .lanewise(FMA, a, ERF_0);
    FloatVector b = a.lanewise(FMA, ERF_HI, a.mul(g));
    FloatVector t = b.fma(LOG2_E, ROUND_BIAS);
    FloatVector n = t.sub(ROUND_BIAS);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, b));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    FloatVector s = t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    FloatVector y = s.fma(r.mul(r).fma(p, r), s.sub(1f)).abs();
    y = y.blend(1f, a.compare(GT, ERF_MAX));
    return y.reinterpretAsInts().or(x.reinterpretAsInts().and(SIGN_BIT)).reinterpretAsFloats();
  }

  /** See {@link ScalarMath#gelu}. */
  public static FloatVector gelu(FloatVector x) {
    FloatVector a = x.abs();
    a = a.blend(GELU_MAX, a.compare(GT, GELU_MAX));
    FloatVector v = a.div(a.add(GELU_K));
    FloatVector m =
        v.fma(GELU_9, GELU_8)
            .lanewise(FMA, v, GELU_7)
            .lanewise(FMA, v, GELU_6)
            .lanewise(FMA, v, GELU_5)
            .lanewise(FMA, v, GELU_4)
            .lanewise(FMA, v, GELU_3)
            .lanewise(FMA, v, GELU_2)
            .lanewise(FMA, v, GELU_1)
            .lanewise(FMA, v, GELU_0)
            .mul(v);
    FloatVector b = a.mul(-0.5f);
    FloatVector h = a.mul(b);
    FloatVector t = h.fma(LOG2_E, ROUND_BIAS_64);
    FloatVector n = t.sub(ROUND_BIAS_64);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, h));
    r = r.add(a.fma(b, h.neg()));
    FloatVector p =
        r.fma(EXP_4, EXP_3)
            .lanewise(FMA, r, EXP_2)
            .lanewise(FMA, r, EXP_1)
            .lanewise(FMA, r, EXP_0)
            .lanewise(FMA, r, 1f);
    FloatVector y = r.mul(p).fma(m, m);
    FloatVector tail =
        y.mul(t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats()).mul(TWO_M64);
    return x.blend(-0f, x.compare(LT, 0f)).sub(tail);
  }

  /** See {@link ScalarMath#silu}. */
  public static FloatVector silu(FloatVector x) {
    FloatVector a = x.abs();
    a = a.blend(DECAY_MAX, a.compare(GT, DECAY_MAX));
    FloatVector t = a.fma(-LOG2_E, ROUND_BIAS_64);
    FloatVector n = t.sub(ROUND_BIAS_64);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, a.neg()));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    FloatVector y = p.lanewise(FMA, r, 1f).lanewise(FMA, r, 1f);
    FloatVector s = t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    FloatVector u = x.blend(y.mul(a.neg()).mul(s).mul(TWO_M64), x.compare(LT, 0f));
    return u.div(y.mul(s).mul(TWO_M64).add(1f));
  }

  /** See {@link ScalarMath#softplus}. */
  public static FloatVector softplus(FloatVector x) {
    FloatVector a = x.abs();
    a = a.blend(DECAY_MAX, a.compare(GT, DECAY_MAX));
    FloatVector t = a.fma(-LOG2_E, ROUND_BIAS_64);
    FloatVector n = t.sub(ROUND_BIAS_64);
    FloatVector r = n.lanewise(FMA, -LN2_LO, n.lanewise(FMA, -LN2_HI, a.neg()));
    FloatVector p =
        r.fma(EXP_4, EXP_3).lanewise(FMA, r, EXP_2).lanewise(FMA, r, EXP_1).lanewise(FMA, r, EXP_0);
    FloatVector y = p.lanewise(FMA, r, 1f).lanewise(FMA, r, 1f);
    FloatVector e =
        y.mul(t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats()).mul(TWO_M64);
    var upper = e.compare(GT, SQRT2_M1);
    FloatVector f = e.blend(e.fma(0.5f, -0.5f), upper);
    FloatVector q =
        f.fma(LOG_7, LOG_6)
            .lanewise(FMA, f, LOG_5)
            .lanewise(FMA, f, LOG_4)
            .lanewise(FMA, f, LOG_3)
            .lanewise(FMA, f, LOG_2)
            .lanewise(FMA, f, LOG_1)
            .lanewise(FMA, f, LOG_0)
            .lanewise(FMA, f, -0.5f);
    FloatVector l = f.mul(f).fma(q, f);
    return x.blend(0f, x.compare(LT, 0f)).add(l.blend(l.add(LN2_HI), upper));
  }

  /** See {@link ScalarMath#rint}. */
  public static FloatVector rint(FloatVector x) {
    FloatVector a = x.abs();
    IntVector sign = x.reinterpretAsInts().and(SIGN_BIT);
    IntVector y = a.add(TWO_23).sub(TWO_23).reinterpretAsInts().or(sign);
    return x.blend(y.reinterpretAsFloats(), a.compare(LT, TWO_23));
  }

  /** See {@link ScalarMath#floor}. */
  public static FloatVector floor(FloatVector x) {
    FloatVector a = x.abs();
    IntVector sign = x.reinterpretAsInts().and(SIGN_BIT);
    FloatVector y = a.add(TWO_23).sub(TWO_23).reinterpretAsInts().or(sign).reinterpretAsFloats();
    return x.blend(y.blend(y.sub(1f), y.compare(GT, x)), a.compare(LT, TWO_23));
  }

  /** See {@link ScalarMath#ceil}. */
  public static FloatVector ceil(FloatVector x) {
    FloatVector a = x.abs();
    IntVector sign = x.reinterpretAsInts().and(SIGN_BIT);
    FloatVector y = a.add(TWO_23).sub(TWO_23).reinterpretAsInts().or(sign).reinterpretAsFloats();
    IntVector up = y.blend(y.add(1f), y.compare(LT, x)).reinterpretAsInts().or(sign);
    return x.blend(up.reinterpretAsFloats(), a.compare(LT, TWO_23));
  }

  /** See {@link ScalarMath#sign}. */
  public static FloatVector sign(FloatVector x) {
    IntVector sign = x.reinterpretAsInts().and(SIGN_BIT);
    FloatVector one = sign.or(ONE_BITS).reinterpretAsFloats();
    return x.blend(one, x.abs().compare(GT, 0f));
  }

  /** See {@link ScalarMath#relu}. */
  public static FloatVector relu(FloatVector x) {
    return x.blend(0f, x.compare(LE, 0f));
  }

  /** See {@link ScalarMath#nanMask}. */
  public static FloatVector nanMask(FloatVector x) {
    return FloatVector.zero(F32).blend(1f, x.compare(NE, x));
  }
}
