package io.quern.cpu.math;

import io.quern.op.Unary;
import java.util.function.IntConsumer;

/** The functions of {@link ScalarMath} that round: definitions, error bounds, where they turn. */
enum MathFunction {
  EXP(Unary.Fn.EXP, ScalarMath::exp, 2, 0x1p-27f, 105, 0.3465736f, 87.33655f, 88.72284f, 103.9721f),
  LOG(Unary.Fn.LOG, ScalarMath::log, 2, Float.MIN_NORMAL, Float.MAX_VALUE, 0.70710677f, 1.4142135f),
  SIN(Unary.Fn.SIN, ScalarMath::sin, 2, 0x1p-14f, 0x1p20f, 0.7853982f, 1.5707964f, 3.1415927f),
  COS(Unary.Fn.COS, ScalarMath::cos, 2, 0x1p-14f, 0x1p20f, 0.7853982f, 1.5707964f, 4.712389f),
  TANH(Unary.Fn.TANH, ScalarMath::tanh, 2, 0x1p-14f, 9.1f, 0.4f, 9.010913f, 9.02f),
  SIGMOID(Unary.Fn.SIGMOID, ScalarMath::sigmoid, 2, 0x1p-27f, 111, 87.33655f, 103.9721f, 110),
  ERF(Unary.Fn.ERF, ScalarMath::erf, 2, 0x1p-26f, 4.1f, 3.919206f, 4),
  GELU(Unary.Fn.GELU, ScalarMath::gelu, 4, 0x1p-26f, 15.1f, 13.06f, 14.2f, 15),
  SILU(Unary.Fn.SILU, ScalarMath::silu, 4, 0x1p-27f, 111, 91.9f, 108.6f, 110),
  SOFTPLUS(Unary.Fn.SOFTPLUS, ScalarMath::softplus, 4, 0x1p-27f, 111, 0.8813736f, 87.33655f, 110);

  /** A function of one float. */
  interface OfFloat {
    float apply(float x);
  }

  private static final int SIGN = 0x80000000;
  private static final float[] EVERYWHERE = {
    0, Float.MIN_NORMAL, 0x1p-64f, 0x1p-24f, 0.5f, 1, 2, 0x1p20f, 0x1p23f, Float.MAX_VALUE
  };

  /** The definition in double precision. */
  final Unary.Fn exact;

  final OfFloat scalar;

  /** How far results may be from the exact ones, in units of the last place. */
  final double ulps;

  private final float least;
  private final float most;
  private final float[] turns;

  /**
   * Describes a function.
   *
   * @param least below this magnitude the function is its own Taylor series' first terms
   * @param most above this magnitude the function is constant, or its argument
   * @param turns magnitudes where the formula or the kind of result changes
   */
  MathFunction(
      Unary.Fn exact, OfFloat scalar, double ulps, float least, float most, float... turns) {
    this.exact = exact;
    this.scalar = scalar;
    this.ulps = ulps;
    this.least = least;
    this.most = most;
    this.turns = turns;
  }

  /** The bits of an even sample of all floats, specials, and all floats near a turn. */
  void sample(int stride, IntConsumer use) {
    for (long bits = 0; bits < 1L << 32; bits += stride) {
      use.accept((int) bits);
    }
    around(EVERYWHERE, use);
    around(turns, use);
  }

  /** The bits of all denormals and of all floats where the function is not trivial. */
  void all(IntConsumer use) {
    range(0, Float.floatToRawIntBits(Float.MIN_NORMAL), use);
    range(Float.floatToRawIntBits(least), Float.floatToRawIntBits(most), use);
  }

  private static void around(float[] magnitudes, IntConsumer use) {
    for (float magnitude : magnitudes) {
      int bits = Float.floatToRawIntBits(magnitude);
      range(Math.max(0, bits - 300), bits + 300, use);
    }
  }

  private static void range(int from, int to, IntConsumer use) {
    for (int bits = from; bits <= to; bits++) {
      use.accept(bits);
      use.accept(bits | SIGN);
    }
  }
}
