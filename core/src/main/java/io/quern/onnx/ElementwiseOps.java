package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import io.quern.op.ShapeRules;
import io.quern.op.Unary;
import java.util.function.BinaryOperator;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongBinaryOperator;
import java.util.function.UnaryOperator;

/** Functions of single elements, with NumPy broadcasting. */
final class ElementwiseOps {
  /** What Clip is limited to before version 11 unless told otherwise: nothing. */
  private static final double LOWEST = -Float.MAX_VALUE;

  private ElementwiseOps() {}

  static void addTo(OpTable table) {
    unary(table);
    activations(table);
    arithmetic(table);
    logic(table);
    bits(table);
  }

  private static void unary(OpTable table) {
    map(table, "Abs", 1, Tensor::abs);
    map(table, "Neg", 1, Tensor::neg);
    map(table, "Sign", 9, x -> x.map(Unary.Fn.SIGN));
    map(table, "Sqrt", 1, Tensor::sqrt);
    map(table, "Reciprocal", 1, x -> x.map(Unary.Fn.RECIPROCAL));
    map(table, "Exp", 1, Tensor::exp);
    map(table, "Log", 1, Tensor::log);
    map(table, "Sin", 7, x -> x.map(Unary.Fn.SIN));
    map(table, "Cos", 7, x -> x.map(Unary.Fn.COS));
    map(table, "Tan", 7, x -> x.map(Unary.Fn.SIN).div(x.map(Unary.Fn.COS)));
    map(table, "Sinh", 9, ElementwiseOps::sinh);
    map(table, "Cosh", 9, x -> x.exp().add(x.neg().exp()).mul(0.5));
    host(table, "Asin", 7, Math::asin);
    host(table, "Acos", 7, Math::acos);
    host(table, "Atan", 7, Math::atan);
    host(
        table,
        "Asinh",
        9,
        x -> Math.copySign(Math.log1p(Math.abs(x) + x * x / (1 + Math.sqrt(x * x + 1))), x));
    host(table, "Acosh", 9, x -> Math.log(x + Math.sqrt(x * x - 1)));
    host(table, "Atanh", 9, x -> 0.5 * Math.log1p(2 * x / (1 - x)));
    map(table, "Tanh", 1, Tensor::tanh);
    map(table, "Sigmoid", 1, Tensor::sigmoid);
    map(table, "Erf", 9, x -> x.map(Unary.Fn.ERF));
    map(table, "Floor", 1, x -> x.map(Unary.Fn.FLOOR));
    map(table, "Ceil", 1, x -> x.map(Unary.Fn.CEIL));
    map(table, "Round", 11, x -> x.map(Unary.Fn.ROUND));
    map(table, "IsNaN", 9, x -> x.compare(Compare.Fn.NE, x));
    table.op(
        "IsInf",
        10,
        call -> {
          Tensor x = call.in(0);
          boolean positive = call.flag("detect_positive", true);
          boolean negative = call.flag("detect_negative", true);
          Tensor size = positive && negative ? x.abs() : positive ? x : x.neg();
          return positive || negative
              ? size.compare(Compare.Fn.EQ, Double.POSITIVE_INFINITY)
              : Call.full(0, DType.BOOL, x.shape());
        });
  }

  private static void activations(OpTable table) {
    map(table, "Relu", 1, Tensor::relu);
    map(table, "Softplus", 1, x -> x.map(Unary.Fn.SOFTPLUS));
    map(table, "Softsign", 1, x -> x.map(Unary.Fn.SOFTSIGN));
    map(table, "Mish", 18, x -> x.mul(x.map(Unary.Fn.SOFTPLUS).tanh()));
    map(table, "HardSwish", 14, x -> x.mul(x.mul(1.0 / 6).add(0.5).clamp(0, 1)));
    table.op("Swish", 24, call -> ReduceOps.widened(call.in(0), x -> swish(call, x)));
    table.op(
        "SwiGLU",
        28,
        call -> {
          Tensor gate = call.in(0);
          Tensor x = call.in(1);
          if (!gate.shape().equals(x.shape())) {
            throw call.error(
                "gate and linear input must have one shape, found %s and %s",
                gate.shape(), x.shape());
          }
          return ReduceOps.widened(gate, wide -> swish(call, wide).mul(x.to(wide.dtype())));
        });
    table.op(
        "Gelu",
        20,
        call ->
            call.text("approximate", "none").equals("tanh")
                ? geluTanh(call.in(0))
                : call.in(0).map(Unary.Fn.GELU));
    table.op("Elu", 1, call -> elu(call.in(0), call.number("alpha", 1)));
    table.op(
        "Celu",
        12,
        call -> {
          double alpha = call.number("alpha", 1);
          return ReduceOps.widened(call.in(0), x -> elu(x.mul(1 / alpha), 1).mul(alpha));
        });
    table.op(
        "Selu",
        1,
        call ->
            elu(call.in(0), call.number("alpha", 1.6732631921768188))
                .mul(call.number("gamma", 1.0507010221481323)));
    table.op(
        "LeakyRelu",
        1,
        call -> {
          Tensor x = call.in(0);
          return Tensor.where(negative(x), x.mul(call.number("alpha", 0.01f)), x);
        });
    table.op("PRelu", 1, call -> prelu(call.in(0), channels(call)));
    table.op("PRelu", 7, call -> prelu(call.in(0), call.in(1)));
    table.op(
        "ThresholdedRelu",
        10,
        call -> {
          Tensor x = call.in(0);
          Tensor passes = x.compare(Compare.Fn.GT, call.number("alpha", 1));
          return Tensor.where(passes, x, scalar(x, 0));
        });
    table.op(
        "HardSigmoid",
        1,
        call ->
            call.in(0).mul(call.number("alpha", 0.2f)).add(call.number("beta", 0.5)).clamp(0, 1));
    table.op(
        "Shrink",
        9,
        call -> {
          Tensor x = call.in(0);
          double lambda = call.number("lambd", 0.5);
          double bias = call.number("bias", 0);
          Tensor wide = x.dtype().isFloat() ? x : x.to(DType.F64);
          Tensor inner =
              Tensor.where(wide.compare(Compare.Fn.GT, lambda), wide.sub(bias), scalar(wide, 0));
          return Tensor.where(wide.compare(Compare.Fn.LT, -lambda), wide.add(bias), inner)
              .to(x.dtype());
        });
    table.op(
        "Clip", 1, call -> clip(call, call.number("min", LOWEST), call.number("max", -LOWEST)));
    table.op("Clip", 11, ElementwiseOps::clip);
  }

  private static Tensor prelu(Tensor x, Tensor slope) {
    return Tensor.where(negative(x), x.mul(slope), x);
  }

  /** The slopes of channels, or the only one, in shape to broadcast. */
  private static Tensor channels(Call call) {
    Tensor slope = call.in(1);
    return slope.size() == 1
        ? slope.reshape(Shape.scalar())
        : ConvOps.perChannel(slope, call.in(0).rank());
  }

  private static Tensor clip(Call call, double low, double high) {
    Tensor x = call.in(0);
    return x.clamp(
        low == LOWEST ? Double.NEGATIVE_INFINITY : low,
        high == -LOWEST ? Double.POSITIVE_INFINITY : high);
  }

  private static Tensor clip(Call call) {
    Tensor x = call.in(0);
    if (call.has(1)) {
      x = x.maximum(call.in(1).reshape(Shape.scalar()));
    }
    return call.has(2) ? x.minimum(call.in(2).reshape(Shape.scalar())) : x;
  }

  /** A constant of the dtype of {@code like}. */
  static Tensor scalar(Tensor like, double value) {
    return Call.full(value, like.dtype(), Shape.scalar());
  }

  private static Tensor negative(Tensor x) {
    return x.compare(Compare.Fn.LT, 0);
  }

  /**
   * Below zero {@code e^x - 1 = 2 t / (1 - t)} with {@code t = tanh(x / 2)}, where nothing cancels.
   */
  static Tensor elu(Tensor x, double alpha) {
    Tensor t = x.minimum(scalar(x, 0)).mul(0.5).tanh();
    Tensor below = t.mul(2).div(scalar(x, 1).sub(t)).mul(alpha);
    return Tensor.where(negative(x), below, x);
  }

  /**
   * From -1 to 1 {@code 2 t / (1 - t^2)} with {@code t = tanh(x / 2)}, as the powers cancel there.
   */
  private static Tensor sinh(Tensor x) {
    Tensor t = x.mul(0.5).tanh();
    Tensor near = t.mul(2).div(scalar(x, 1).sub(t.square()));
    Tensor far = x.exp().sub(x.neg().exp()).mul(0.5);
    return Tensor.where(x.abs().compare(Compare.Fn.LT, 1), near, far);
  }

  /** {@code x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))}. */
  static Tensor geluTanh(Tensor x) {
    Tensor inner = x.square().mul(0.044715).add(1).mul(x).mul(Math.sqrt(2 / Math.PI));
    return x.mul(inner.tanh().add(1)).mul(0.5);
  }

  private static void arithmetic(OpTable table) {
    combine(table, "Add", 1, Tensor::add);
    combine(table, "Sub", 1, Tensor::sub);
    combine(table, "Mul", 1, Tensor::mul);
    combine(table, "Div", 1, Tensor::div);
    table.op("Pow", 1, ElementwiseOps::pow);
    table.op("Mod", 10, ElementwiseOps::mod);
    fold(table, "Max", 1, Tensor::maximum);
    fold(table, "Min", 1, Tensor::minimum);
    fold(table, "Sum", 1, Tensor::add);
    table.op("Mean", 1, call -> fold(call, Tensor::add).mul(1.0 / call.count()));
    table.op("Where", 9, call -> Tensor.where(call.in(0), call.in(1), call.in(2)));
  }

  /** The second input; before version 7 it broadcast from an axis on, if told so. */
  private static Tensor legacy(Call call) {
    Tensor x = call.in(0);
    Tensor y = call.operand(1);
    if (call.version() >= 7 || !call.flag("broadcast", false) || !call.hasAttribute("axis")) {
      return y;
    }
    int axis = call.axis(call.integer("axis"), x.rank());
    Shape shape = y.shape();
    while (shape.rank() + axis < x.rank()) {
      shape = shape.insert(shape.rank(), 1);
    }
    return y.reshape(shape);
  }

  private static Tensor pow(Call call) {
    Tensor x = call.in(0);
    Tensor y = call.in(1);
    if (x.dtype().isInteger() && y.dtype().isInteger()) {
      return integerPower(call);
    }
    if (y.size() == 1 && y.rank() <= x.rank() && call.isKnown(1) && x.dtype().isFloat()) {
      double exponent = call.doubles(1)[0];
      if (exponent == 2) {
        return x.square();
      }
      if (exponent == 3) {
        return x.square().mul(x);
      }
    }
    return pow(x, legacy(call));
  }

  private static Tensor pow(Tensor x, Tensor y) {
    if (x.dtype().isFloat() && x.dtype() == y.dtype()) {
      return x.pow(y);
    }
    return x.to(DType.F64).pow(y.to(DType.F64)).to(x.dtype());
  }

  /** Powers of integers, of which the low bits are kept. */
  private static Tensor integerPower(Call call) {
    Tensor x = call.in(0);
    Tensor y = call.in(1);
    if (y.size() == 1 && y.rank() <= x.rank() && call.isKnown(1)) {
      long exponent = call.longs(1)[0];
      if (exponent >= 0) {
        return power(x, exponent);
      }
    }
    boolean signed = !y.dtype().isUnsigned();
    LongBinaryOperator power =
        (base, exponent) ->
            signed && exponent < 0
                ? (long) Math.pow((double) base, (double) exponent)
                : power(base, exponent);
    return onLongs(call.known(0), call.known(1), power);
  }

  private static Tensor power(Tensor x, long exponent) {
    Tensor power = null;
    Tensor square = x;
    for (long rest = exponent; rest != 0; rest >>>= 1) {
      if ((rest & 1) != 0) {
        power = power == null ? square : power.mul(square);
      }
      square = rest > 1 ? square.mul(square) : square;
    }
    return power == null ? Call.full(1, x.dtype(), x.shape()) : power;
  }

  /** {@code base} to an exponent without a sign. */
  private static long power(long base, long exponent) {
    long power = 1;
    long square = base;
    for (long rest = exponent; rest != 0; rest >>>= 1) {
      power *= (rest & 1) != 0 ? square : 1;
      square *= square;
    }
    return power;
  }

  private static Tensor swish(Call call, Tensor x) {
    double alpha = call.number("alpha", 1);
    return alpha == 1 ? x.map(Unary.Fn.SILU) : x.mul(x.mul(alpha).sigmoid());
  }

  private static Tensor mod(Call call) {
    Tensor x = call.in(0);
    Tensor y = call.in(1);
    boolean truncates = call.flag("fmod", false);
    if (x.dtype() == DType.F64 || (x.dtype().isFloat() && call.isKnown(0) && call.isKnown(1))) {
      DoubleBinaryOperator function = truncates ? (a, b) -> a % b : ElementwiseOps::floorMod;
      return onDoubles(call.known(0), call.known(1), function);
    }
    Tensor rest = x.dtype().isFloat() ? remainder(x, y) : x.sub(x.div(y).mul(y));
    if (truncates || x.dtype().isUnsigned()) {
      return rest;
    }
    Tensor zero = scalar(x, 0);
    Tensor differs = negative(rest).compare(Compare.Fn.NE, negative(y));
    Tensor shifted = Tensor.where(differs, rest.add(y), rest);
    Tensor none = x.dtype().isFloat() ? Tensor.where(negative(y), scalar(x, -0.0), zero) : rest;
    return Tensor.where(rest.eq(zero), none, shifted);
  }

  /**
   * The remainder of floats of up to 24 bits, with the sign of the dividend. In F64, quotients
   * below 2^28 are cut off where they should be, and their products with the divisor are exact, as
   * is the difference: so multiples of the divisor are taken away, 2^28 times smaller ones in each
   * step. A divisor beyond all finite dividends leaves them as they are.
   */
  private static Tensor remainder(Tensor x, Tensor y) {
    Tensor by = y.to(DType.F64).abs();
    by = by.minimum(scalar(by, 0x1p130));
    Tensor rest = x.to(DType.F64).abs();
    for (int shift = 9 * 28; shift >= 0; shift -= 28) {
      Tensor step = by.mul(Math.scalb(1.0, shift));
      rest = rest.sub(rest.div(step).map(Unary.Fn.FLOOR).mul(step));
    }
    return Tensor.where(negative(x), rest.neg(), rest).to(x.dtype());
  }

  /** What is left, with the sign of the divisor. */
  private static double floorMod(double x, double y) {
    double rest = x % y;
    if (rest == 0) {
      return Math.copySign(0, y);
    }
    return (rest < 0) == (y < 0) ? rest : rest + y;
  }

  private static void logic(OpTable table) {
    combine(table, "And", 1, Tensor::minimum);
    combine(table, "Or", 1, Tensor::maximum);
    combine(table, "Xor", 1, (x, y) -> x.compare(Compare.Fn.NE, y));
    map(table, "Not", 1, x -> x.compare(Compare.Fn.EQ, 0));
    compare(table, "Equal", 1, Compare.Fn.EQ);
    compare(table, "Greater", 1, Compare.Fn.GT);
    compare(table, "Less", 1, Compare.Fn.LT);
    compare(table, "GreaterOrEqual", 12, Compare.Fn.GE);
    compare(table, "LessOrEqual", 12, Compare.Fn.LE);
  }

  private static void bits(OpTable table) {
    table.eager("BitShift", 11, ElementwiseOps::shift);
    table.eager("BitwiseAnd", 18, call -> onLongs(call, (x, y) -> x & y));
    table.eager("BitwiseOr", 18, call -> onLongs(call, (x, y) -> x | y));
    table.eager("BitwiseXor", 18, call -> onLongs(call, (x, y) -> x ^ y));
    table.eager(
        "BitwiseNot",
        18,
        call -> {
          long[] x = call.longs(0);
          for (int i = 0; i < x.length; i++) {
            x[i] = ~x[i];
          }
          return OnnxValue.all(OnnxValue.longs(call.in(0).shape(), x).to(call.in(0).dtype()));
        });
  }

  /** Amounts that are negative or not below the width leave copies of the sign, or zeros. */
  private static OnnxValue[] shift(Call call) {
    DType dtype = call.in(0).dtype();
    int width = dtype.bytes() * 8;
    if (call.text("direction", "").equals("LEFT")) {
      return onLongs(call, (x, y) -> Long.compareUnsigned(y, width) < 0 ? x << y : 0);
    }
    if (dtype.isUnsigned()) {
      return onLongs(call, (x, y) -> Long.compareUnsigned(y, width) < 0 ? x >>> y : 0);
    }
    return onLongs(call, (x, y) -> x >> (Long.compareUnsigned(y, width) < 0 ? y : 63));
  }

  private static OnnxValue[] onLongs(Call call, LongBinaryOperator function) {
    return OnnxValue.all(onLongs(call.known(0), call.known(1), function));
  }

  private static Tensor onLongs(Tensor left, Tensor right, LongBinaryOperator function) {
    Shape shape = ShapeRules.broadcast("onnx", left.shape(), right.shape());
    long[] x = left.expand(shape).toLongArray();
    long[] y = right.expand(shape).toLongArray();
    for (int i = 0; i < x.length; i++) {
      x[i] = function.applyAsLong(x[i], y[i]);
    }
    return OnnxValue.longs(shape, x).to(left.dtype());
  }

  private static Tensor onDoubles(Tensor left, Tensor right, DoubleBinaryOperator function) {
    Shape shape = ShapeRules.broadcast("onnx", left.shape(), right.shape());
    double[] x = left.expand(shape).toDoubleArray();
    double[] y = right.expand(shape).toDoubleArray();
    for (int i = 0; i < x.length; i++) {
      x[i] = function.applyAsDouble(x[i], y[i]);
    }
    return OnnxValue.doubles(left.dtype(), shape, x);
  }

  private static void map(OpTable table, String op, long since, UnaryOperator<Tensor> function) {
    table.op(op, since, call -> function.apply(call.in(0)));
  }

  private static void combine(
      OpTable table, String op, long since, BinaryOperator<Tensor> function) {
    table.op(op, since, call -> function.apply(call.operand(0), legacy(call)));
  }

  private static void compare(OpTable table, String op, long since, Compare.Fn fn) {
    table.op(
        op,
        since,
        call ->
            call.value(0) instanceof OnnxValue.Strings
                ? StringOps.equal(call.strings(0), call.strings(1))
                : call.in(0).compare(fn, legacy(call)));
  }

  private static void fold(OpTable table, String op, long since, BinaryOperator<Tensor> function) {
    table.op(op, since, call -> fold(call, function));
  }

  private static Tensor fold(Call call, BinaryOperator<Tensor> function) {
    Tensor result = call.in(0);
    for (int i = 1; i < call.count(); i++) {
      result = function.apply(result, call.in(i));
    }
    return result;
  }

  private static void host(OpTable table, String op, long since, DoubleUnaryOperator function) {
    table.eager(
        op,
        since,
        call -> {
          double[] x = call.doubles(0);
          for (int i = 0; i < x.length; i++) {
            x[i] = function.applyAsDouble(x[i]);
          }
          Tensor in = call.in(0);
          return OnnxValue.all(OnnxValue.doubles(in.dtype(), in.shape(), x));
        });
  }
}
