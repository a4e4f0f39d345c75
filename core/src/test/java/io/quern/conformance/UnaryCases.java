package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Cast;
import io.quern.op.Unary;
import java.util.List;

/** Cases for {@link Unary}, by its functions, and for {@link Cast}, by pairs of types. */
final class UnaryCases {
  private static final DType[] FLOATS = {DType.F64, DType.F32, DType.F16, DType.BF16};

  private UnaryCases() {}

  static void addTo(List<OpCase> cases) {
    for (Unary.Fn fn : Unary.Fn.values()) {
      sizes(fn, cases);
      forms(fn, cases);
      ranges(fn, cases);
      if (fn.takesIntegers()) {
        integers(fn, cases);
      }
    }
    casts(cases);
  }

  private static void sizes(Unary.Fn fn, List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      OpCase opCase = of(fn, Input.of(DType.F32, Shape.of(size), values(fn)), "");
      cases.add(size == 33 ? opCase.differentiable() : opCase);
    }
    cases.add(of(fn, Input.of(DType.F32, Shape.of(OpCases.LARGE), values(fn)), ""));
    for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
      cases.add(of(fn, Input.of(dtype, Shape.of(65), values(fn)), ""));
    }
    cases.add(of(fn, Input.of(DType.F32, Shape.scalar(), values(fn)), ""));
    cases.add(of(fn, Input.of(DType.F32, Shape.of(3, 0, 2), values(fn)), ""));
  }

  private static void forms(Unary.Fn fn, List<OpCase> cases) {
    for (Input.Form form : Input.Form.values()) {
      Input input = Input.of(DType.F32, Shape.of(5, 3, 17), values(fn), form);
      cases.add(of(fn, input, form.name()));
    }
  }

  private static void ranges(Unary.Fn fn, List<OpCase> cases) {
    for (DType dtype : FLOATS) {
      Shape shape = Shape.of(257);
      cases.add(of(fn, Input.of(dtype, shape, Values.specials()), "specials"));
      int exponent = dtype == DType.F16 ? 12 : 60;
      cases.add(of(fn, Input.of(dtype, shape, Values.wide(exponent)), "wide"));
      cases.add(of(fn, Input.of(dtype, shape, Values.uniform(-100, 100)), "to 100"));
      cases.add(of(fn, Input.of(dtype, shape, Values.uniform(0.5, 2)), "around 1"));
    }
  }

  private static void integers(Unary.Fn fn, List<OpCase> cases) {
    for (DType dtype : DType.values()) {
      if (dtype.isInteger() && (fn != Unary.Fn.NEG || !dtype.isUnsigned())) {
        cases.add(of(fn, Input.of(dtype, Shape.of(65), Values.signed()), ""));
        cases.add(of(fn, Input.of(dtype, Shape.of(65), Values.integers(0, 128)), "to 127"));
      }
    }
  }

  private static OpCase of(Unary.Fn fn, Input input, String remark) {
    return OpCase.of(new Unary(fn), tolerance(fn, input.base().dtype()), remark, input);
  }

  /** Values around which the function is defined and smooth. */
  private static Values values(Unary.Fn fn) {
    return switch (fn) {
      case SQRT, RSQRT, LOG -> Values.uniform(0.1, 8);
      case RECIPROCAL, ABS, SIGN, RELU -> Values.awayFromZero();
      case FLOOR, CEIL, ROUND -> Values.awayFromHalves();
      default -> Values.signed();
    };
  }

  private static Tolerance tolerance(Unary.Fn fn, DType dtype) {
    if (!dtype.isFloat()) {
      return Tolerance.exact();
    }
    return switch (fn) {
      // One IEEE operation, or none that rounds.
      case NEG, ABS, SIGN, SQUARE, RELU, SQRT, RECIPROCAL, FLOOR, CEIL, ROUND, NAN_MASK ->
          Tolerance.exact();
      // The reduced argument is known to an absolute error, sine and cosine are at most 1.
      case SIN, COS ->
          Tolerance.scaled(
              4, (op, inputs) -> List.of(magnitude(inputs.getFirst(), x -> Math.min(1, x))));
      // x / 2 and x / 2 * erf cancel for negative x.
      case GELU -> Tolerance.scaled(4, (op, inputs) -> List.of(inputs.getFirst().absolute()));
      default -> Tolerance.ulps(4);
    };
  }

  private static HostArray magnitude(
      HostArray input, java.util.function.DoubleUnaryOperator function) {
    double[] sizes = new double[input.values().length];
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = function.applyAsDouble(Math.abs(input.values()[i]));
    }
    return new HostArray(input.spec(), sizes);
  }

  private static void casts(List<OpCase> cases) {
    Shape shape = Shape.of(7, 19);
    for (DType from : DType.values()) {
      for (DType to : DType.values()) {
        Values values = from.isFloat() ? Values.wide(12) : Values.signed();
        OpCase opCase =
            OpCase.of(new Cast(to), Tolerance.exact(), "to " + to, Input.of(from, shape, values));
        boolean floats = from == DType.F64 && to == DType.F64;
        cases.add(floats ? opCase.differentiable() : opCase);
        if (from.isFloat()) {
          Input specials = Input.of(from, shape, Values.specials());
          cases.add(OpCase.of(new Cast(to), Tolerance.exact(), "to " + to + " specials", specials));
        }
      }
      for (Input.Form form : Input.Form.values()) {
        Input input = Input.of(from, shape, Values.signed(), form);
        cases.add(OpCase.of(new Cast(from), Tolerance.exact(), "copy " + form, input));
        cases.add(OpCase.of(new Cast(DType.F32), Tolerance.exact(), "to F32 " + form, input));
      }
    }
  }
}
