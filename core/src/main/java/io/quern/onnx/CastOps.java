package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;

/** Conversions between element types, text included. */
final class CastOps {
  private CastOps() {}

  static void addTo(OpTable table) {
    table.value(
        "Cast",
        1,
        call ->
            cast(
                call,
                call.value(0),
                call.elementType(call.integer("to")),
                call.flag("saturate", true)));
    table.value(
        "CastLike",
        15,
        call ->
            cast(
                call,
                call.value(0),
                call.value(1) instanceof OnnxValue.Strings
                    ? ElementType.STRING
                    : call.dense(1).type(),
                call.flag("saturate", true)));
    table.value("BitCast", 26, CastOps::bitCast);
  }

  static OnnxValue cast(Call call, OnnxValue value, ElementType to, boolean saturate) {
    if (value instanceof OnnxValue.Strings strings) {
      return to == ElementType.STRING ? strings : parsed(call, strings, to, saturate);
    }
    if (!(value instanceof OnnxValue.Dense(Tensor x, ElementType from))) {
      throw call.error("cannot convert %s", value.kind());
    }
    if (from == to) {
      return value;
    }
    if (to == ElementType.STRING) {
      return text(call, x, from);
    }
    DType dtype = call.dtype(to.code());
    if (to.isPlain()) {
      return new OnnxValue.Dense(x.to(dtype), to);
    }
    if (!to.isSmallFloat()) {
      return new OnnxValue.Dense(narrowed(x, to), to);
    }
    double[] values = known(call, x).toDoubleArray();
    DoubleUnaryOperator rounded = rounded(call, to, saturate);
    for (int i = 0; i < values.length; i++) {
      values[i] = rounded.applyAsDouble(values[i]);
    }
    return new OnnxValue.Dense(OnnxValue.doubles(dtype, x.shape(), values), to);
  }

  private static DoubleUnaryOperator rounded(Call call, ElementType to, boolean saturate) {
    SmallFloat format = SmallFloat.of(to);
    if (to != ElementType.FLOAT8E8M0) {
      boolean infinitiesToo = saturate && call.version() >= 24;
      return x ->
          format.round(
              infinitiesToo && Double.isInfinite(x) ? Math.copySign(format.largest(), x) : x,
              saturate);
    }
    String mode = call.text("round_mode", "up");
    SmallFloat.Rounding rounding =
        switch (mode) {
          case "up" -> SmallFloat.Rounding.UP;
          case "down" -> SmallFloat.Rounding.DOWN;
          case "nearest" -> SmallFloat.Rounding.NEAREST;
          default -> throw call.error("round_mode must be up, down or nearest, found '%s'", mode);
        };
    return x -> format.roundScale(x, rounding, saturate);
  }

  private static Tensor known(Call call, Tensor x) {
    if (!Call.isKnown(OnnxValue.of(x))) {
      throw new NeedsValue(call.label() + " rounds to a type that plans do not have");
    }
    return x;
  }

  /** The low bits of the integer that a number is cut off to. */
  private static Tensor narrowed(Tensor x, ElementType to) {
    double span = 1 << to.bits();
    boolean signed = to == ElementType.INT4 || to == ElementType.INT2;
    Tensor whole = x.to(DType.I64);
    Tensor low = whole.sub(floorDiv(whole, span).mul(span));
    Tensor wrapped =
        signed ? Tensor.where(low.compare(Compare.Fn.GE, span / 2.0), low.sub(span), low) : low;
    return wrapped.to(signed ? DType.I8 : DType.U8);
  }

  private static Tensor floorDiv(Tensor x, double by) {
    Tensor truncated = x.div(by);
    Tensor below = x.sub(truncated.mul(by)).compare(Compare.Fn.LT, 0);
    return Tensor.where(below, truncated.sub(1), truncated);
  }

  private static OnnxValue parsed(
      Call call, OnnxValue.Strings strings, ElementType to, boolean saturate) {
    Shape shape = strings.shape();
    int count = strings.elements().size();
    if (to.dtype() != null && to.isPlain() && to.dtype().isInteger()) {
      long[] values = new long[count];
      for (int i = 0; i < count; i++) {
        String each = strings.elements().get(i).strip();
        values[i] = to == ElementType.UINT64 ? Long.parseUnsignedLong(each) : Long.parseLong(each);
      }
      return new OnnxValue.Dense(OnnxValue.longs(shape, values).to(call.dtype(to.code())), to);
    }
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = number(strings.elements().get(i).strip());
    }
    return cast(call, OnnxValue.of(OnnxValue.doubles(DType.F64, shape, values)), to, saturate);
  }

  private static double number(String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
      case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
      case "nan", "+nan", "-nan" -> Double.NaN;
      default -> Double.parseDouble(text);
    };
  }

  private static OnnxValue text(Call call, Tensor x, ElementType from) {
    Tensor known = known(call, x);
    List<String> texts = new ArrayList<>();
    switch (x.dtype()) {
      case F64 -> Arrays.stream(known.toDoubleArray()).forEach(v -> texts.add(text(v)));
      case F32, F16, BF16 -> {
        for (float value : known.toFloatArray()) {
          texts.add(text(value));
        }
      }
      case BOOL -> {
        for (long value : known.toLongArray()) {
          texts.add(value == 0 ? "False" : "True");
        }
      }
      default -> {
        for (long value : known.toLongArray()) {
          texts.add(
              from == ElementType.UINT64 ? Long.toUnsignedString(value) : Long.toString(value));
        }
      }
    }
    return new OnnxValue.Strings(x.shape(), texts);
  }

  private static String text(double value) {
    return text(Double.toString(value), Math.abs(value));
  }

  private static String text(float value) {
    return text(Float.toString(value), Math.abs(value));
  }

  /** The shortest digits, with an exponent where NumPy writes one. */
  private static String text(String java, double size) {
    if (Double.isNaN(size)) {
      return "NaN";
    }
    if (Double.isInfinite(size)) {
      return java.startsWith("-") ? "-INF" : "INF";
    }
    if (size == 0 || (size >= 1e-4 && size < 1e16)) {
      String plain = new java.math.BigDecimal(java).toPlainString();
      String whole = plain.contains(".") ? plain : plain + ".0";
      return size == 0 && java.startsWith("-") ? "-0.0" : size == 0 ? "0.0" : whole;
    }
    int e = java.indexOf('E');
    String digits = e < 0 ? java : java.substring(0, e);
    int exponent = e < 0 ? 0 : Integer.parseInt(java.substring(e + 1));
    String mantissa = digits.endsWith(".0") ? digits.substring(0, digits.length() - 2) : digits;
    return String.format(
        Locale.ROOT, "%se%s%02d", mantissa, exponent < 0 ? "-" : "+", Math.abs(exponent));
  }

  private static OnnxValue bitCast(Call call) {
    ElementType to = call.elementType(call.integer("to"));
    DType dtype = call.dtype(to.code());
    OnnxValue.Dense from = call.dense(0);
    if (to.bits() != from.type().bits()) {
      throw call.error(
          "cannot see %s as %s: elements have %d bits, expected %d",
          from.kind(), to, from.type().bits(), to.bits());
    }
    Tensor x = call.known(0);
    byte[] codes = from.type().isPlain() ? x.toByteArray() : codes(call, x, from.type());
    if (to.isPlain() && to != ElementType.BOOL) {
      return new OnnxValue.Dense(IndexOps.ofBytes(codes, dtype, x.shape()), to);
    }
    TensorSpec spec = new TensorSpec(dtype, x.shape());
    return new OnnxValue.Dense(TensorReader.ofCodes(i -> codes[i] & 0xFF, to, spec), to);
  }

  /** The bits of elements of 8 bits or less that are kept in a wider dtype, a byte for each. */
  private static byte[] codes(Call call, Tensor x, ElementType type) {
    if (!type.isSmallFloat()) {
      byte[] codes = x.toByteArray();
      for (int i = 0; i < codes.length; i++) {
        codes[i] &= (byte) ((1 << type.bits()) - 1);
      }
      return codes;
    }
    Map<Double, Integer> known = SmallFloat.of(type).codes();
    double[] values = x.toDoubleArray();
    byte[] codes = new byte[values.length];
    for (int i = 0; i < codes.length; i++) {
      Integer code = known.get(values[i]);
      if (code == null) {
        throw call.error(
            "element %d of the input is NaN, which has several codes in %s; cast it instead",
            i, type);
      }
      codes[i] = code.byteValue();
    }
    return codes;
  }
}
