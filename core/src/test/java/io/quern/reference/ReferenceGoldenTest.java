package io.quern.reference;

import static io.quern.DType.BF16;
import static io.quern.DType.BOOL;
import static io.quern.DType.F16;
import static io.quern.DType.F32;
import static io.quern.DType.F64;
import static io.quern.DType.I32;
import static io.quern.DType.I64;
import static io.quern.DType.I8;
import static io.quern.DType.U8;
import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.conformance.HostArray;
import io.quern.conformance.Oracle;
import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Concat;
import io.quern.op.Fill;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.Iota;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.Pad;
import io.quern.op.Random;
import io.quern.op.Reduce;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import io.quern.op.Where;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The reference kernels against numbers worked out by hand: who checks the oracle. */
class ReferenceGoldenTest {
  private static final double NAN = Double.NaN;
  private static final double INF = Double.POSITIVE_INFINITY;

  private static HostArray vector(DType dtype, double... values) {
    return HostArray.of(dtype, Shape.of(values.length), values);
  }

  private static HostArray matrix(DType dtype, int rows, double... values) {
    return HostArray.of(dtype, Shape.of(rows, values.length / rows), values);
  }

  private static double[] run(Op op, HostArray... inputs) {
    return Oracle.run(op, List.of(inputs)).getFirst().values();
  }

  private static Offset<Double> near(double tolerance) {
    return Offset.offset(tolerance);
  }

  @ParameterizedTest
  @CsvSource({
    "NEG, 2.5, -2.5",
    "ABS, -2.5, 2.5",
    "SIGN, -2.5, -1",
    "SQUARE, -3, 9",
    "RELU, -3, 0",
    "RELU, 3, 3",
    "SQRT, 2, 1.4142135623730951",
    "RSQRT, 4, 0.5",
    "RECIPROCAL, -8, -0.125",
    "EXP, 1, 2.718281828459045",
    "LOG, 10, 2.302585092994046",
    "SIN, 0.5, 0.479425538604203",
    "COS, 0.5, 0.8775825618903728",
    "TANH, 0.5, 0.46211715726000975",
    "SIGMOID, 2, 0.8807970779778823",
    "SIGMOID, -2, 0.11920292202211755",
    "ERF, 0.5, 0.5204998778130465",
    "GELU, 1, 0.8413447460685429",
    "GELU, -1, -0.15865525393145705",
    "SILU, 2, 1.7615941559557649",
    "SOFTPLUS, 0, 0.6931471805599453",
    "SOFTPLUS, 40, 40.0",
    "FLOOR, -1.5, -2",
    "CEIL, -1.5, -1",
    "ROUND, 2.5, 2",
    "ROUND, -3.5, -4",
    "NAN_MASK, 3, 0",
  })
  void unary(Unary.Fn fn, double x, double expected) {
    assertThat(run(new Unary(fn), vector(F64, x))[0])
        .isCloseTo(expected, near(4e-16 * Math.max(1, Math.abs(expected))));
  }

  @Test
  void unaryOfSpecialValues() {
    assertThat(run(new Unary(Unary.Fn.NAN_MASK), vector(F32, NAN, INF))).containsExactly(1, 0);
    assertThat(run(new Unary(Unary.Fn.RELU), vector(F32, NAN, -INF))).containsExactly(NAN, 0);
    assertThat(run(new Unary(Unary.Fn.NEG), vector(F32, 0.0))).containsExactly(-0.0);
    assertThat(run(new Unary(Unary.Fn.SQRT), vector(F32, -1, -0.0))).containsExactly(NAN, -0.0);
    assertThat(run(new Unary(Unary.Fn.LOG), vector(F32, 0, -1))).containsExactly(-INF, NAN);
  }

  @Test
  void unaryOfIntegers() {
    assertThat(run(new Unary(Unary.Fn.NEG), vector(I8, 5, -128))).containsExactly(-5, -128);
    assertThat(run(new Unary(Unary.Fn.ABS), vector(I32, -7, 7))).containsExactly(7, 7);
    assertThat(run(new Unary(Unary.Fn.SIGN), vector(U8, 0, 200))).containsExactly(0, 1);
    assertThat(run(new Unary(Unary.Fn.SQUARE), vector(U8, 16, 17))).containsExactly(0, 33);
    assertThat(run(new Unary(Unary.Fn.RELU), vector(I64, -3, 4))).containsExactly(0, 4);
  }

  @Test
  void binary() {
    HostArray left = matrix(F32, 2, 1, 2, 3, 4, 5, 6);
    HostArray row = vector(F32, 10, 20, 40);
    HostArray column = matrix(F32, 2, 2, 4);
    assertThat(run(new Binary(Binary.Fn.ADD), left, row)).containsExactly(11, 22, 43, 14, 25, 46);
    assertThat(run(new Binary(Binary.Fn.SUB), left, column)).containsExactly(-1, 0, 1, 0, 1, 2);
    assertThat(run(new Binary(Binary.Fn.MUL), left, column)).containsExactly(2, 4, 6, 16, 20, 24);
    assertThat(run(new Binary(Binary.Fn.DIV), row, column)).containsExactly(5, 10, 20, 2.5, 5, 10);
    assertThat(run(new Binary(Binary.Fn.POW), vector(F64, 2, 9), vector(F64, 10, 0.5)))
        .containsExactly(1024, 3);
    assertThat(run(new Binary(Binary.Fn.MIN), vector(F32, 1, NAN), vector(F32, -1, 0)))
        .containsExactly(-1, NAN);
    assertThat(run(new Binary(Binary.Fn.MAX), vector(F32, -0.0, 1), vector(F32, 0.0, NAN)))
        .containsExactly(0.0, NAN);
    assertThat(run(new Binary(Binary.Fn.GATE), vector(F32, 5, 6, 7), vector(F32, 1, 0, NAN)))
        .containsExactly(5, 0, 0);
  }

  @Test
  void binaryOfIntegers() {
    assertThat(run(new Binary(Binary.Fn.ADD), vector(I8, 127), vector(I8, 1)))
        .containsExactly(-128);
    assertThat(run(new Binary(Binary.Fn.SUB), vector(U8, 3), vector(U8, 5))).containsExactly(254);
    assertThat(run(new Binary(Binary.Fn.MUL), vector(I32, 1 << 20), vector(I32, 1 << 12)))
        .containsExactly(0);
    assertThat(run(new Binary(Binary.Fn.DIV), vector(I64, -7, 7), vector(I64, 2, -2)))
        .containsExactly(-3, -3);
    assertThat(run(new Binary(Binary.Fn.MIN), vector(BOOL, 1, 1), vector(BOOL, 0, 1)))
        .containsExactly(0, 1);
    assertThat(run(new Binary(Binary.Fn.MAX), vector(BOOL, 0, 1), vector(BOOL, 0, 0)))
        .containsExactly(0, 1);
  }

  @Test
  void floatsAreRoundedOnce() {
    // 1 + 2^-8 is halfway between 1 and the next bfloat16; ties go to the even one.
    assertThat(run(new Binary(Binary.Fn.ADD), vector(BF16, 1), vector(BF16, 0x1p-8)))
        .containsExactly(1);
    assertThat(run(new Binary(Binary.Fn.ADD), vector(BF16, 1 + 0x1p-7), vector(BF16, 0x1p-8)))
        .containsExactly(1 + 0x1p-6);
    // Rounding to float on the way would make these ties.
    assertThat(run(new Cast(BF16), vector(F64, 1 + 0x1p-8 + 0x1p-40))).containsExactly(1 + 0x1p-7);
    assertThat(run(new Cast(F16), vector(F64, 1 + 0x1p-11 + 0x1p-50))).containsExactly(1 + 0x1p-10);
    assertThat(run(new Cast(BF16), vector(I64, 0x1010000000001p0)))
        .containsExactly(0x1020000000000p0);
  }

  @Test
  void compareAndWhere() {
    HostArray left = vector(F32, 1, 2, NAN);
    HostArray right = vector(F32, 2, 2, NAN);
    assertThat(run(new Compare(Compare.Fn.EQ), left, right)).containsExactly(0, 1, 0);
    assertThat(run(new Compare(Compare.Fn.NE), left, right)).containsExactly(1, 0, 1);
    assertThat(run(new Compare(Compare.Fn.LT), left, right)).containsExactly(1, 0, 0);
    assertThat(run(new Compare(Compare.Fn.LE), left, right)).containsExactly(1, 1, 0);
    assertThat(run(new Compare(Compare.Fn.GT), left, right)).containsExactly(0, 0, 0);
    assertThat(run(new Compare(Compare.Fn.GE), left, right)).containsExactly(0, 1, 0);
    assertThat(run(new Compare(Compare.Fn.GT), vector(U8, 200), vector(U8, 100)))
        .containsExactly(1);
    assertThat(run(new Where(), vector(BOOL, 1, 0, 1), left, vector(F32, 9)))
        .containsExactly(1, 9, NAN);
  }

  @Test
  void cast() {
    assertThat(run(new Cast(I32), vector(F32, -1.9, 1.9, NAN, INF, -1e20)))
        .containsExactly(-1, 1, 0, Integer.MAX_VALUE, Integer.MIN_VALUE);
    assertThat(run(new Cast(I8), vector(F64, 127.9, 128, -129))).containsExactly(127, 127, -128);
    assertThat(run(new Cast(U8), vector(F64, -1, 255.9, 1e9))).containsExactly(0, 255, 255);
    assertThat(run(new Cast(U8), vector(I32, 256, 257, -1))).containsExactly(0, 1, 255);
    assertThat(run(new Cast(I8), vector(I64, 128, -129))).containsExactly(-128, 127);
    assertThat(run(new Cast(BOOL), vector(F32, 0, -0.0, 0.5, NAN))).containsExactly(0, 0, 1, 1);
    assertThat(run(new Cast(BOOL), vector(I32, 256, 0))).containsExactly(1, 0);
    assertThat(run(new Cast(F16), vector(F32, 65519, 65520, 0x1p-25, 0x1.8p-25)))
        .containsExactly(65504, INF, 0, 0x1p-24);
    assertThat(run(new Cast(F32), vector(F64, 1e300, 0.1))).containsExactly(INF, 0.1f);
    assertThat(run(new Cast(F32), vector(I64, (1L << 53) - 1))).containsExactly(0x1p53);
    assertThat(run(new Cast(F64), vector(BOOL, 1, 0))).containsExactly(1, 0);
  }

  @Test
  void fillIotaRandom() {
    assertThat(run(new Fill(new TensorSpec(I8, Shape.of(2)), 300))).containsExactly(127, 127);
    assertThat(run(new Fill(new TensorSpec(F32, Shape.of(1)), 0.1))).containsExactly(0.1f);
    assertThat(run(new Iota(I32, 4))).containsExactly(0, 1, 2, 3);
    // The published block for counter 0 and key 0.
    TensorSpec five = new TensorSpec(F32, Shape.of(5));
    double[] uniform = run(new Random(Random.Distribution.UNIFORM, five), vector(I64, 0, 0));
    assertThat(uniform)
        .startsWith(0x6627e8 * 0x1p-24, 0xe169c5 * 0x1p-24, 0xbc57ac * 0x1p-24, 0x9b00db * 0x1p-24);
    assertThat(run(new Random(Random.Distribution.UNIFORM, five), vector(I64, 0, 1))[0])
        .isEqualTo(uniform[4]);
    TensorSpec halves = new TensorSpec(F16, Shape.of(1));
    assertThat(run(new Random(Random.Distribution.UNIFORM, halves), vector(I64, 0, 0)))
        .containsExactly((0x6627e8 >> 13) * 0x1p-11);
    TensorSpec many = new TensorSpec(BF16, Shape.of(10_000));
    assertThat(run(new Random(Random.Distribution.UNIFORM, many), vector(I64, 0, 0)))
        .contains(0, 255 / 256.0)
        .doesNotContain(1);
    TensorSpec doubles = new TensorSpec(F64, Shape.of(3));
    double radius = Math.sqrt(-2 * StrictMath.log(0x6627e9 * 0x1p-24));
    double angle = 2 * Math.PI * 0xe169c5 * 0x1p-24;
    assertThat(run(new Random(Random.Distribution.NORMAL, doubles), vector(I64, 0, 0)))
        .startsWith(radius * StrictMath.cos(angle), radius * StrictMath.sin(angle));
  }

  @Test
  void reduce() {
    HostArray x = matrix(F32, 2, 1, -2, 3, 4, 5, -6);
    assertThat(run(new Reduce(Reduce.Fn.SUM, List.of(0), false), x)).containsExactly(5, 3, -3);
    assertThat(run(new Reduce(Reduce.Fn.SUM, List.of(1), true), x)).containsExactly(2, 3);
    assertThat(run(new Reduce(Reduce.Fn.SUM, List.of(0, 1), false), x)).containsExactly(5);
    assertThat(run(new Reduce(Reduce.Fn.PROD, List.of(-1), false), x)).containsExactly(-6, -120);
    assertThat(run(new Reduce(Reduce.Fn.MAX, List.of(1), false), x)).containsExactly(3, 5);
    assertThat(run(new Reduce(Reduce.Fn.MIN, List.of(0), false), x)).containsExactly(1, -2, -6);
    assertThat(run(new Reduce(Reduce.Fn.MAX, List.of(0), false), vector(F32, 1, NAN, 2)))
        .containsExactly(NAN);
    HostArray empty = HostArray.of(F32, Shape.of(2, 0));
    assertThat(run(new Reduce(Reduce.Fn.SUM, List.of(1), false), empty)).containsExactly(0, 0);
    assertThat(run(new Reduce(Reduce.Fn.PROD, List.of(1), false), empty)).containsExactly(1, 1);
    assertThat(run(new Reduce(Reduce.Fn.SUM, List.of(0), false), vector(U8, 200, 100)))
        .containsExactly(44);
    // A float accumulator would lose the ones.
    assertThat(run(new Reduce(Reduce.Fn.SUM, List.of(0), false), vector(F32, 0x1p24, 1, 1)))
        .containsExactly(0x1p24 + 2);
  }

  @Test
  void argReduce() {
    HostArray x = matrix(F32, 2, 1, 5, 5, 4, NAN, NAN);
    assertThat(run(new ArgReduce(ArgReduce.Fn.ARGMAX, 1, false), x)).containsExactly(1, 1);
    assertThat(run(new ArgReduce(ArgReduce.Fn.ARGMIN, 1, false), x)).containsExactly(0, 1);
    assertThat(run(new ArgReduce(ArgReduce.Fn.ARGMAX, 0, true), x)).containsExactly(1, 1, 1);
    assertThat(run(new ArgReduce(ArgReduce.Fn.ARGMIN, 0, false), vector(U8, 200, 3, 3)))
        .containsExactly(1);
  }

  @Test
  void matMul() {
    HostArray left = matrix(F32, 2, 1, 2, 3, 4, 5, 6);
    HostArray right = matrix(F32, 3, 7, 8, 9, 10, 11, 12);
    assertThat(run(new MatMul(), left, right)).containsExactly(58, 64, 139, 154);
    HostArray batch = HostArray.of(F32, Shape.of(2, 1, 2), 1, 2, 3, 4);
    assertThat(run(new MatMul(), batch, matrix(F32, 2, 1, 0, 0, 10))).containsExactly(1, 20, 3, 40);
    HostArray empty = HostArray.of(F32, Shape.of(2, 0));
    assertThat(run(new MatMul(), empty, HostArray.of(F32, Shape.of(0, 1)))).containsExactly(0, 0);
    assertThat(run(new MatMul(), matrix(I8, 1, 100, 3), matrix(I8, 2, 2, 5))).containsExactly(-41);
  }

  @Test
  void gather() {
    HostArray data = matrix(F32, 3, 1, 2, 3, 4, 5, 6);
    assertThat(run(new Gather(0), data, vector(I64, 2, 0))).containsExactly(5, 6, 1, 2);
    assertThat(run(new Gather(1), data, matrix(I32, 1, 1, 1))).containsExactly(2, 2, 4, 4, 6, 6);
    assertThat(run(new Gather(0), data, HostArray.of(I64, Shape.scalar(), 1)))
        .containsExactly(3, 4);
    HostArray gradient = matrix(F32, 3, 1, 2, 3, 4, 5, 6);
    assertThat(run(new GatherGrad(0, Shape.of(3, 2)), vector(I64, 2, 0, 2), gradient))
        .containsExactly(3, 4, 0, 0, 6, 8);
    assertThat(run(new GatherGrad(1, Shape.of(3, 4)), vector(I64, 3, 0), gradient))
        .containsExactly(2, 0, 0, 1, 4, 0, 0, 3, 6, 0, 0, 5);
  }

  @Test
  void takeAlong() {
    HostArray data = matrix(F32, 3, 1, 2, 3, 4, 5, 6);
    assertThat(run(new TakeAlong(1), data, matrix(I64, 3, 1, 0, 1))).containsExactly(2, 3, 6);
    assertThat(run(new TakeAlong(0), data, matrix(I32, 1, 2, 0))).containsExactly(5, 2);
    HostArray gradient = matrix(F32, 3, 10, 20, 30);
    assertThat(run(new TakeAlongGrad(1, Shape.of(3, 2)), matrix(I64, 3, 1, 0, 1), gradient))
        .containsExactly(0, 10, 20, 0, 0, 30);
    assertThat(run(new TakeAlongGrad(0, Shape.of(2)), vector(I64, 1, 1), vector(F32, 3, 4)))
        .containsExactly(0, 7);
  }

  @Test
  void concatAndPad() {
    HostArray left = matrix(F32, 2, 1, 2);
    HostArray right = matrix(F32, 2, 3, 4, 5, 6);
    assertThat(run(new Concat(1), left, right)).containsExactly(1, 3, 4, 2, 5, 6);
    Pad pad = new Pad(List.of(1L, 0L), List.of(0L, 1L), List.of(1L, 2L), 9);
    assertThat(run(pad, right))
        .containsExactly(
            9, 9, 9, 9, 9, //
            3, 9, 9, 4, 9, //
            9, 9, 9, 9, 9, //
            5, 9, 9, 6, 9);
  }

  @Test
  void sgdStep() {
    HostArray p = vector(F64, 1);
    HostArray g = vector(F64, 0.5);
    HostArray v = vector(F64, 2);
    HostArray lr = vector(F64, 0.1);
    List<HostArray> plain = Oracle.run(new SgdStep(0.5, false, 0.1), List.of(p, g, v, lr));
    // g = 0.5 + 0.1 * 1 = 0.6; v = 0.5 * 2 + 0.6 = 1.6; p = 1 - 0.1 * 1.6
    assertThat(plain.get(0).values()[0]).isCloseTo(0.84, near(1e-15));
    assertThat(plain.get(1).values()[0]).isCloseTo(1.6, near(1e-15));
    List<HostArray> nesterov = Oracle.run(new SgdStep(0.5, true, 0.1), List.of(p, g, v, lr));
    // p = 1 - 0.1 * (0.6 + 0.5 * 1.6)
    assertThat(nesterov.get(0).values()[0]).isCloseTo(0.86, near(1e-15));
    assertThat(nesterov.get(1).values()[0]).isCloseTo(1.6, near(1e-15));
  }

  @Test
  void adamStep() {
    HostArray p = vector(F64, 1);
    HostArray g = vector(F64, 0.5);
    HostArray m = vector(F64, 0);
    HostArray v = vector(F64, 0);
    HostArray scalars = vector(F64, 0.1, 1 - 0.9, 1 - 0.99);
    List<HostArray> first =
        Oracle.run(new AdamStep(0.9, 0.99, 0, 0, false), List.of(p, g, m, v, scalars));
    // The first step without epsilon is lr in the gradient's direction, whatever its size.
    assertThat(first.get(0).values()[0]).isCloseTo(0.9, near(1e-15));
    assertThat(first.get(1).values()[0]).isCloseTo(0.05, near(1e-16));
    assertThat(first.get(2).values()[0]).isCloseTo(0.0025, near(1e-17));
    List<HostArray> decoupled =
        Oracle.run(new AdamStep(0.9, 0.99, 0, 0.2, true), List.of(p, g, m, v, scalars));
    // 1 - 0.1 * 0.2 - 0.1
    assertThat(decoupled.get(0).values()[0]).isCloseTo(0.88, near(1e-15));
    assertThat(decoupled.get(1).values()[0]).isCloseTo(0.05, near(1e-16));
    List<HostArray> coupled =
        Oracle.run(new AdamStep(0.9, 0.99, 0, 0.2, false), List.of(p, g, m, v, scalars));
    assertThat(coupled.get(0).values()[0]).isCloseTo(0.9, near(1e-15));
    assertThat(coupled.get(1).values()[0]).isCloseTo(0.07, near(1e-16));
    HostArray one = vector(F64, 1);
    List<HostArray> epsilon =
        Oracle.run(
            new AdamStep(0.5, 0.5, 1, 0, false), List.of(p, one, one, one, vector(F64, 0.5, 1, 1)));
    // m = 1, v = 1: 1 - 0.5 * 1 / (1 + 1)
    assertThat(epsilon.get(0).values()).containsExactly(0.75);
  }

  @Test
  void composites() {
    HostArray x = vector(F64, 0, Math.log(3));
    assertThat(run(new Softmax(0), x)[1]).isCloseTo(0.75, near(1e-15));
    assertThat(run(new LogSoftmax(0), x)[0]).isCloseTo(Math.log(0.25), near(1e-15));
    HostArray row = matrix(F64, 1, 1, 3);
    double[] normalised =
        run(new LayerNorm(1, 0), row, vector(F64, 10, 100), vector(F64, 0.5, 0.25));
    assertThat(normalised).containsExactly(-9.5, 100.25);
  }
}
