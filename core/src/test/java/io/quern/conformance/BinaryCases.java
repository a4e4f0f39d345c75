package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.Compare;
import io.quern.op.Op;
import io.quern.op.Where;
import java.util.List;

/** Cases for the ops that broadcast: {@link Binary}, {@link Compare}, {@link Where}. */
final class BinaryCases {
  private static final DType[] OTHER_TYPES = {
    DType.F64,
    DType.F16,
    DType.BF16,
    DType.I64,
    DType.I32,
    DType.I16,
    DType.I8,
    DType.U64,
    DType.U32,
    DType.U16,
    DType.U8,
    DType.BOOL
  };

  private static final Shape[][] BROADCASTS = {
    {Shape.of(5, 33), Shape.of(33)},
    {Shape.of(5, 33), Shape.of(5, 1)},
    {Shape.of(33), Shape.of(4, 5, 33)},
    {Shape.of(5, 1), Shape.of(1, 17)},
    {Shape.of(2, 3, 8, 9), Shape.of(3, 1, 1)},
    {Shape.of(65), Shape.scalar()},
    {Shape.scalar(), Shape.of(3, 65)},
    {Shape.scalar(), Shape.scalar()},
    {Shape.of(1, 1), Shape.of(1)},
    {Shape.of(0, 4), Shape.of(1, 4)},
    {Shape.of(3, 1), Shape.of(0)},
  };

  private BinaryCases() {}

  static void addTo(List<OpCase> cases) {
    for (Binary.Fn fn : Binary.Fn.values()) {
      Values left = fn == Binary.Fn.POW ? Values.uniform(0.25, 4) : distinct(fn, 0);
      Values right =
          fn == Binary.Fn.DIV || fn == Binary.Fn.GATE
              ? Values.awayFromZero()
              : distinct(fn, 0.0625);
      add(new Binary(fn), left, right, true, cases);
    }
    for (Compare.Fn fn : Compare.Fn.values()) {
      add(new Compare(fn), Values.integers(0, 3), Values.integers(0, 3), false, cases);
    }
    where(cases);
  }

  /** Minimum and maximum have kinks where both sides are equal. */
  private static Values distinct(Binary.Fn fn, double offset) {
    if (fn != Binary.Fn.MIN && fn != Binary.Fn.MAX) {
      return Values.signed();
    }
    return (dtype, count, random) -> {
      double[] values = Values.signed().draw(dtype, count, random);
      for (int i = 0; dtype.isFloat() && i < count; i++) {
        values[i] = Math.rint(values[i] * 8) / 8 + offset;
      }
      return values;
    };
  }

  private static void add(
      Op op, Values left, Values right, boolean differentiable, List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      Shape shape = Shape.of(size);
      OpCase opCase =
          of(op, Input.of(DType.F32, shape, left), Input.of(DType.F32, shape, right), "");
      cases.add(differentiable && size == 17 ? opCase.differentiable() : opCase);
    }
    Shape large = Shape.of(OpCases.LARGE);
    cases.add(of(op, Input.of(DType.F32, large, left), Input.of(DType.F32, large, right), ""));
    Shape rows = Shape.of(301, 257);
    Shape row = Shape.of(257);
    cases.add(of(op, Input.of(DType.F32, rows, left), Input.of(DType.F32, row, right), ""));
    for (Shape[] shapes : BROADCASTS) {
      OpCase opCase =
          of(op, Input.of(DType.F32, shapes[0], left), Input.of(DType.F32, shapes[1], right), "");
      cases.add(differentiable ? opCase.differentiable() : opCase);
    }
    Shape shape = Shape.of(5, 3, 17);
    for (Input.Form form : Input.Form.values()) {
      Input plain = Input.of(DType.F32, shape, left);
      Input formed = Input.of(DType.F32, shape, right, form);
      cases.add(of(op, plain, formed, "plain, " + form));
      Input leftFormed = Input.of(DType.F32, shape, left, form);
      cases.add(of(op, leftFormed, formed, "both " + form));
      cases.add(of(op, leftFormed, Input.of(DType.F32, Shape.of(17), right), form + ", row"));
    }
    types(op, left, right, cases);
  }

  private static void types(Op op, Values left, Values right, List<OpCase> cases) {
    for (DType dtype : OTHER_TYPES) {
      Input a = Input.of(dtype, Shape.of(3, 33), left);
      Input b = Input.of(dtype, Shape.of(33), right);
      if (admits(op, dtype)) {
        cases.add(of(op, a, b, ""));
      }
    }
    for (DType dtype : new DType[] {DType.F32, DType.F64, DType.F16, DType.BF16}) {
      Shape shape = Shape.of(33 * 33 + 5);
      cases.add(
          of(
              op,
              Input.of(dtype, shape, Values.specials()),
              Input.of(dtype, shape, Values.specialsSlowly()),
              "specials"));
      int exponent = dtype == DType.F16 ? 7 : 30;
      Input wide = Input.of(dtype, Shape.of(257), Values.wide(exponent));
      cases.add(of(op, wide, wide, "wide"));
    }
  }

  private static boolean admits(Op op, DType dtype) {
    if (!(op instanceof Binary binary)) {
      return true;
    }
    return switch (binary.fn()) {
      case POW -> dtype.isFloat();
      case MIN, MAX -> true;
      default -> dtype != DType.BOOL;
    };
  }

  private static OpCase of(Op op, Input left, Input right, String remark) {
    boolean isPow = op instanceof Binary binary && binary.fn() == Binary.Fn.POW;
    return OpCase.of(op, isPow ? Tolerance.ulps(4) : Tolerance.exact(), remark, left, right);
  }

  private static void where(List<OpCase> cases) {
    Values some = Values.integers(0, 2);
    for (int size : OpCases.SIZES) {
      Shape shape = Shape.of(size);
      cases.add(
          where(
              Input.of(DType.BOOL, shape, some),
              Input.of(DType.F32, shape, Values.signed()),
              Input.of(DType.F32, shape, Values.signed()),
              ""));
    }
    for (DType dtype : DType.values()) {
      cases.add(
          where(
              Input.of(DType.BOOL, Shape.of(3, 1), some),
              Input.of(dtype, Shape.of(3, 33), Values.signed()),
              Input.of(dtype, Shape.scalar(), Values.signed()),
              ""));
    }
    for (Input.Form form : Input.Form.values()) {
      Shape shape = Shape.of(5, 3, 17);
      cases.add(
          where(
                  Input.of(DType.BOOL, shape, some, form),
                  Input.of(DType.F32, Shape.of(3, 17), Values.signed()),
                  Input.of(DType.F32, shape, Values.signed(), form),
                  form.name())
              .differentiable());
    }
    cases.add(
        where(
            Input.of(DType.BOOL, Shape.of(100), some),
            Input.of(DType.F32, Shape.of(100), Values.specials()),
            Input.of(DType.F32, Shape.of(100), Values.specialsSlowly()),
            "specials"));
  }

  private static OpCase where(Input condition, Input left, Input right, String remark) {
    return OpCase.of(new Where(), Tolerance.exact(), remark, condition, left, right);
  }
}
