package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Tensor;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

/** Elementwise functions keep their precision where a plain formula loses it. */
class ElementwiseOpsTest {
  private static final float INFINITE = Float.POSITIVE_INFINITY;

  private static long[] powers(long[] bases, long exponent) {
    return Arrays.stream(bases)
        .map(base -> BigInteger.valueOf(base).pow((int) exponent).longValue())
        .toArray();
  }

  @Test
  void powersOfIntegersKeepTheLowBits() {
    long[] bases = {3, -3, 7, 0, 1, 2, 10};
    for (long exponent : new long[] {0, 1, 2, 39, 63, 100}) {
      Tensor y = Tensor.of(new long[] {exponent});
      new OneNode("Pow", 15).in(Tensor.of(bases)).in(y).gives(powers(bases, exponent));
    }
    new OneNode("Pow", 15)
        .in(Tensor.of(new long[] {3, 3, 2, -1, 5, 1}))
        .in(Tensor.of(new long[] {39, 40, 63, -3, -2, -1}))
        .gives(4052555153018976267L, -6289078614652622815L, Long.MIN_VALUE, -1, 0, 1);
    new OneNode("Pow", 15)
        .in(Tensor.of(new int[] {3, 46341}))
        .in(Tensor.of(new int[] {20, 2}))
        .gives(3486784401L - (1L << 32), 2147488281L - (1L << 32));
    new OneNode("Pow", 15)
        .in(Tensor.of(new long[] {9}))
        .in(Tensor.of(new float[] {0.5f}))
        .gives(3L);
  }

  private static OneNode shift(String direction, Tensor x, Tensor y) {
    return new OneNode("BitShift", 28).in(x).in(y).text("direction", direction);
  }

  @Test
  void shiftsOfSignedNumbersKeepTheSignAndLoseBitsBeyondIt() {
    long[] amounts = {0, 1, 31, 32, 100, -1};
    for (DType dtype : new DType[] {DType.I32, DType.I64}) {
      Tensor by = Tensor.of(amounts).to(dtype);
      int wide = dtype == DType.I64 ? 1 : 0;
      shift("RIGHT", Tensor.ones(6).mul(-5).to(dtype), by).gives(-5L, -3, -1, -1, -1, -1);
      shift("RIGHT", Tensor.ones(6).mul(5).to(dtype), by).gives(5L, 2, 0, 0, 0, 0);
      shift("LEFT", Tensor.ones(6).mul(-1).to(dtype), by)
          .gives(-1L, -2, -(1L << 31), wide * -(1L << 32), 0, 0);
    }
    Tensor bytes = Tensor.of(new int[] {64, -128, -128}).to(DType.I8);
    Tensor by = Tensor.of(new int[] {1, 7, 8}).to(DType.I8);
    shift("LEFT", bytes, by).gives(-128L, 0, 0);
    shift("RIGHT", bytes, by).gives(32L, -1, -1);
  }

  @Test
  void shiftsOfUnsignedNumbersFillWithZeros() {
    Tensor bytes = Tensor.of(new int[] {255, 255, 255}).to(DType.U8);
    Tensor by = Tensor.of(new int[] {4, 7, 8}).to(DType.U8);
    shift("RIGHT", bytes, by).gives(15L, 1, 0);
    shift("LEFT", bytes, by).gives(240L, 128, 0);
  }

  /** Some roundings, in F32 for halves, which are rounded once more. */
  private static double share(DType dtype) {
    return dtype.bytes() == 2 ? dtype.epsilon() / 2 + 8 * DType.F32.epsilon() : 8 * dtype.epsilon();
  }

  /** {@code a sigmoid(alpha a) b}, in F32 also for halves, whose products are rounded once. */
  @Test
  void gatedUnitsMultiplySwishByTheLinearInput() {
    double[] a = {1, -2, 3, 40, -1, 0.5, 300};
    double[] b = {0.5, 1, -1, 2, 2, 1, -200};
    for (double alpha : new double[] {1, 0.5}) {
      double[] expected = new double[a.length];
      for (int i = 0; i < a.length; i++) {
        expected[i] = a[i] / (1 + Math.exp(-alpha * a[i])) * b[i];
      }
      for (DType dtype : new DType[] {DType.F16, DType.BF16, DType.F32, DType.F64}) {
        new OneNode("SwiGLU", 28)
            .in(Tensor.of(a).to(dtype))
            .in(Tensor.of(b).to(dtype))
            .number("alpha", (float) alpha)
            .isNear(0, dtype, share(dtype), expected);
      }
    }
    assertThatThrownBy(
            () -> new OneNode("SwiGLU", 28).in(Tensor.ones(2, 3)).in(Tensor.ones(3)).both(0))
        .hasMessageContaining("gate and linear input must have one shape, found [2, 3] and [3]");
  }

  /** {@code max(0, x) + min(0, alpha (exp(x / alpha) - 1))} of halves is rounded once. */
  @Test
  void exponentialUnitsOfHalves() {
    double[] x = {-8, -1, -0.0625, 0, 0.5, 3};
    double alpha = 0.75;
    double[] expected =
        Arrays.stream(x)
            .map(v -> Math.max(0, v) + Math.min(0, alpha * Math.expm1(v / alpha)))
            .toArray();
    for (DType dtype : new DType[] {DType.F16, DType.BF16}) {
      new OneNode("Celu", 28)
          .in(Tensor.of(x).to(dtype))
          .number("alpha", (float) alpha)
          .isNear(0, dtype, share(dtype), expected);
    }
  }

  @Test
  void powerOfIntegersByAConstantIsPartOfAPlan() {
    OnnxModel model =
        new Models()
            .constant(Models.longs("three", 3))
            .input(Models.value("x", 7, 2))
            .output(Models.value("y", 7, 2))
            .add(Models.node("Pow", "x three", "y"))
            .model();
    long[] large = {3_000_001, -7};
    assertThat(model.run(Map.of("x", Tensor.of(large))).get("y").toLongArray())
        .isEqualTo(powers(large, 3));
    assertThat(model.nodeByNode()).isEmpty();
  }

  @Test
  void productsOfIntegersKeepTheLowBits() {
    Tensor axis = Tensor.of(new long[] {0}).reshape();
    long[] threes = new long[41];
    long[] expected = new long[41];
    for (int i = 0; i < threes.length; i++) {
      threes[i] = 3;
      expected[i] = BigInteger.valueOf(3).pow(i + 1).longValue();
    }
    new OneNode("CumProd", 26).in(Tensor.of(threes)).in(axis).gives(expected);
    new OneNode("CumProd", 26)
        .in(Tensor.of(new int[] {1 << 20, 3, 1 << 12, 5}, 2, 2))
        .in(axis)
        .integer("reverse", 1)
        .integer("exclusive", 1)
        .gives(1L << 12, 5, 1, 1);
    new OneNode("CumProd", 26)
        .in(Tensor.of(new int[] {1 << 20, 3, 1 << 12, 5}, 2, 2))
        .in(axis)
        .gives(1L << 20, 3, 0, 15);
  }

  private static final float[] DIVIDENDS = {
    5.5f, -5.5f, 5.5f, 1e30f, -1e30f, 3, -3, 0x1p100f, 1, 4, -4, Float.MAX_VALUE, 16777215
  };

  private static final float[] DIVISORS = {
    2, 2, -2, 0.1f, 7, INFINITE, INFINITE, 3, 0, 2, 2, 0x1p-148f, 3
  };

  /**
   * {@code x - n y} with the whole n that leaves the least of the sign of x, from exact numbers.
   */
  private static double[] remainders() {
    double[] expected = new double[DIVIDENDS.length];
    for (int i = 0; i < expected.length; i++) {
      double x = DIVIDENDS[i];
      double y = DIVISORS[i];
      expected[i] =
          y == 0
              ? Double.NaN
              : Double.isInfinite(y)
                  ? x
                  : new BigDecimal(x).remainder(new BigDecimal(y)).floatValue();
      expected[i] = expected[i] == 0 ? Math.copySign(0, x) : expected[i];
    }
    return expected;
  }

  @Test
  void remaindersOfFloatsAreExact() {
    double[] expected = remainders();
    assertThat(expected).startsWith(1.5, -1.5, 1.5);
    OneNode node =
        new OneNode("Mod", 13).in(Tensor.of(DIVIDENDS)).in(Tensor.of(DIVISORS)).integer("fmod", 1);
    node.gives(expected);
    assertThat(node.hasPlan()).isTrue();
    for (DType dtype : new DType[] {DType.F16, DType.BF16, DType.F64}) {
      new OneNode("Mod", 13)
          .in(Tensor.of(new float[] {7, -7, INFINITE, Float.NaN}).to(dtype))
          .in(Tensor.of(new float[] {4, 4, INFINITE, 1}).to(dtype))
          .integer("fmod", 1)
          .gives(3.0, -3.0, Double.NaN, Double.NaN);
    }
  }

  /** As in Python, of whose {@code %} the specification speaks for integers. */
  @Test
  void remaindersOfFloatsMayHaveTheSignOfTheDivisor() {
    double[] expected = remainders();
    for (int i = 0; i < expected.length; i++) {
      double y = DIVISORS[i];
      if (expected[i] == 0) {
        expected[i] = Math.copySign(0, y);
      } else if ((expected[i] < 0) != (y < 0)) {
        expected[i] = (float) (expected[i] + y);
      }
    }
    new OneNode("Mod", 13).in(Tensor.of(DIVIDENDS)).in(Tensor.of(DIVISORS)).gives(expected);
  }

  /** From 2^-94 to some tens, below zero and above. */
  private static double[] magnitudes(boolean negativeOnly) {
    double[] values = new double[negativeOnly ? 100 : 200];
    for (int i = 0; i < 100; i++) {
      values[i] = -(float) Math.scalb(1 + i / 128.0, i % 2 == 0 ? i - 94 : i / 20 - 3);
      if (!negativeOnly) {
        values[100 + i] = -values[i];
      }
    }
    return values;
  }

  private static void isNear(OneNode node, double[] x, double units, DoubleUnaryOperator function) {
    double[] expected = Arrays.stream(x).map(function).toArray();
    node.in(Tensor.of(x).to(DType.F32)).isNear(0, DType.F32, units * 0x1p-23, expected);
  }

  /**
   * tanh and exp are within 4 units in the last place; {@code 2 t / (1 - t^2)} makes the error of t
   * at most 1.6 times as large below 1, the powers 1.4 times above, and some roundings join.
   */
  @Test
  void sinhIsPreciseNearZero() {
    isNear(new OneNode("Sinh", 22), magnitudes(false), 9, Math::sinh);
  }

  /** {@code 2 t / (1 - t)} does not make the error of t larger, four roundings join. */
  @Test
  void exponentialUnitsArePreciseNearZero() {
    double[] x = magnitudes(true);
    isNear(new OneNode("Elu", 22).number("alpha", 0.5f), x, 7, v -> 0.5 * Math.expm1(v));
    isNear(new OneNode("Celu", 12).number("alpha", 2), x, 7, v -> 2 * Math.expm1(v / 2));
    isNear(
        new OneNode("Selu", 22),
        x,
        7,
        v -> 1.0507010221481323 * 1.6732631921768188 * Math.expm1(v));
    new OneNode("Elu", 22)
        .in(Tensor.of(new float[] {-200, -0.0f, 0, 3, Float.NEGATIVE_INFINITY, Float.NaN}))
        .gives(-1, -0.0, 0, 3, -1, Double.NaN);
  }
}
