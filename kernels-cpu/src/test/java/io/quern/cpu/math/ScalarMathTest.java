package io.quern.cpu.math;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.op.Unary;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ScalarMathTest {
  private static final int STRIDE = 2003;

  /** Largest error of normal and denormal results, in units of the last place. */
  private static final class Errors implements IntConsumer {
    private final MathFunction function;
    private double normal;
    private double denormal;
    private float at;

    Errors(MathFunction function) {
      this.function = function;
    }

    @Override
    public void accept(int bits) {
      float x = Float.intBitsToFloat(bits);
      double exact = function.exact.apply(x);
      float found = function.scalar.apply(x);
      if (Double.isNaN(exact) || Float.isNaN(found)) {
        assertThat(found).as("%s(%s)", function, x).isNaN();
        assertThat(exact).as("%s(%s)", function, x).isNaN();
      } else if (Double.isInfinite(exact)) {
        assertThat(found).as("%s(%s)", function, x).isEqualTo((float) exact);
      } else {
        add(x, exact, found);
      }
    }

    private void add(float x, double exact, float found) {
      double error = ulps(exact, found);
      if (Math.abs(exact) < Float.MIN_NORMAL) {
        denormal = Math.max(denormal, error);
      } else if (error > normal) {
        normal = error;
        at = x;
      }
    }

    private static double ulps(double exact, float found) {
      float rounded = (float) exact;
      if (rounded == found && (rounded == 0 || Float.isInfinite(rounded))) {
        return 0;
      }
      double value = Float.isInfinite(found) ? Math.copySign(0x1p128, found) : found;
      double ulp = Math.ulp(Float.isInfinite(rounded) ? Float.MAX_VALUE : rounded);
      return Math.abs(value - exact) / ulp;
    }

    void check() {
      System.Logger log = System.getLogger(ScalarMathTest.class.getName());
      log.log(
          System.Logger.Level.DEBUG,
          "{0}: {1} ulp at {2}, denormal results {3}",
          function,
          normal,
          at,
          denormal);
      assertThat(normal)
          .as("%s(%s): error in ulp", function, at)
          .isLessThanOrEqualTo(function.ulps);
      assertThat(denormal).as("%s: error of denormal results", function).isLessThanOrEqualTo(2);
    }
  }

  @ParameterizedTest
  @EnumSource
  void isWithinItsErrorBound(MathFunction function) {
    Errors errors = new Errors(function);
    function.sample(STRIDE, errors);
    errors.check();
  }

  @Tag("soak")
  @ParameterizedTest
  @EnumSource
  void isWithinItsErrorBoundEverywhere(MathFunction function) {
    Errors errors = new Errors(function);
    function.all(errors);
    errors.check();
  }

  @ParameterizedTest
  @CsvSource({
    "EXP, Infinity, Infinity",
    "EXP, -Infinity, 0",
    "EXP, 88.72284, Infinity",
    "EXP, -104, 0",
    "EXP, 0, 1",
    "EXP, -0.0, 1",
    "LOG, 0, -Infinity",
    "LOG, -0.0, -Infinity",
    "LOG, -1, NaN",
    "LOG, -1e-45, NaN",
    "LOG, -Infinity, NaN",
    "LOG, Infinity, Infinity",
    "LOG, 1, 0",
    "SIN, 0, 0",
    "SIN, -0.0, -0.0",
    "SIN, Infinity, NaN",
    "SIN, -Infinity, NaN",
    "COS, -0.0, 1",
    "COS, Infinity, NaN",
    "TANH, 0, 0",
    "TANH, -0.0, -0.0",
    "TANH, Infinity, 1",
    "TANH, -Infinity, -1",
    "SIGMOID, 0, 0.5",
    "SIGMOID, Infinity, 1",
    "SIGMOID, -Infinity, 0",
    "SIGMOID, 1e30, 1",
    "SIGMOID, -1e30, 0",
    "ERF, 0, 0",
    "ERF, -0.0, -0.0",
    "ERF, Infinity, 1",
    "ERF, -Infinity, -1",
    "ERF, 1e-45, 1e-45",
    "GELU, 0, 0",
    "GELU, -0.0, -0.0",
    "GELU, Infinity, Infinity",
    "GELU, -Infinity, -0.0",
    "GELU, 3e38, 3e38",
    "GELU, -3e38, -0.0",
    "SILU, 0, 0",
    "SILU, -0.0, -0.0",
    "SILU, Infinity, Infinity",
    "SILU, -Infinity, -0.0",
    "SILU, 3e38, 3e38",
    "SILU, -3e38, -0.0",
    "SOFTPLUS, Infinity, Infinity",
    "SOFTPLUS, -Infinity, 0",
    "SOFTPLUS, 3e38, 3e38",
    "SOFTPLUS, -3e38, 0"
  })
  void hasItsLimits(MathFunction function, float x, float expected) {
    assertThat(Float.floatToIntBits(function.scalar.apply(x)))
        .as("%s(%s) = %s", function, x, function.scalar.apply(x))
        .isEqualTo(Float.floatToIntBits(expected));
  }

  @ParameterizedTest
  @EnumSource
  void keepsNaN(MathFunction function) {
    assertThat(function.scalar.apply(Float.NaN)).isNaN();
    assertThat(function.scalar.apply(Float.intBitsToFloat(0xffc12345))).isNaN();
    assertThat(function.scalar.apply(Float.intBitsToFloat(0x7f800001))).isNaN();
  }

  /** These differ nowhere from their definition, the sign of zero included. */
  @Nested
  @DisplayName("exact functions")
  class Exact {
    @Test
    void rint() {
      same(ScalarMath::rint, Unary.Fn.ROUND::apply);
    }

    @Test
    void floor() {
      same(ScalarMath::floor, Unary.Fn.FLOOR::apply);
    }

    @Test
    void ceil() {
      same(ScalarMath::ceil, Unary.Fn.CEIL::apply);
    }

    @Test
    void sign() {
      same(ScalarMath::sign, Unary.Fn.SIGN::apply);
    }

    @Test
    void relu() {
      same(ScalarMath::relu, Unary.Fn.RELU::apply);
    }

    @Test
    void nanMask() {
      same(ScalarMath::nanMask, Unary.Fn.NAN_MASK::apply);
    }

    private void same(MathFunction.OfFloat function, DoubleUnaryOperator definition) {
      IntConsumer check =
          bits -> {
            float x = Float.intBitsToFloat(bits);
            float expected = (float) definition.applyAsDouble(x);
            float found = function.apply(x);
            if (Float.floatToIntBits(found) != Float.floatToIntBits(expected)) {
              assertThat(found).as("of %s", x).isEqualTo(expected);
            }
          };
      for (MathFunction turns : MathFunction.values()) {
        turns.sample(100_003, check);
      }
      for (int halves = -4000; halves <= 4000; halves++) {
        int bits = Float.floatToRawIntBits(halves / 2f);
        check.accept(bits - 1);
        check.accept(bits);
        check.accept(bits + 1);
      }
    }
  }

  @Test
  void expOfANegativeNumberHasTheBitsOfExp() {
    for (int bits = 0x8000_0000; bits <= 0xff80_0000; bits += STRIDE) {
      float x = Float.intBitsToFloat(bits);
      assertThat(ScalarMath.expNegative(x)).as("exp(%s)", x).isEqualTo(ScalarMath.exp(x));
    }
    assertThat(ScalarMath.expNegative(0)).isOne();
    assertThat(ScalarMath.expNegative(Float.NEGATIVE_INFINITY)).isZero();
    assertThat(ScalarMath.expNegative(Float.NaN)).isNaN();
  }
}
