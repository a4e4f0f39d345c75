package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.FusedReduce;
import io.quern.op.Reduce;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.Unary;
import java.util.List;

/** Cases for {@link FusedReduce}. */
final class FusedReduceCases {
  private static final DType[] FLOATS = {DType.F32, DType.F64, DType.F16, DType.BF16};

  private FusedReduceCases() {}

  /** {@code (x - y)^2}: at most 36 for inputs in [-3, 3], with an error of three roundings. */
  private static final ScalarProgram DISTANCE =
      new ScalarProgram(
          2, List.of(new Apply2(Binary.Fn.SUB, 0, 1), new Apply1(Unary.Fn.SQUARE, 2)));

  /** {@code max(x, y)}, which is exact, and at most as large as that of absolute values. */
  private static final ScalarProgram LARGER =
      new ScalarProgram(2, List.of(new Apply2(Binary.Fn.MAX, 0, 1)));

  /** What the error cases refuse to apply. */
  static FusedReduce distance() {
    return new FusedReduce(DISTANCE, new Reduce(Reduce.Fn.SUM, List.of(0), false));
  }

  static void addTo(List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      cases.add(distance(List.of(0), Shape.of(size), Shape.of(size)));
      cases.add(distance(List.of(1), Shape.of(5, size), Shape.of(5, 1)));
      cases.add(distance(List.of(0), Shape.of(size, 5), Shape.of(5)));
    }
    large(cases);
    Shape small = Shape.of(4, 3, 5);
    for (Input.Form form : Input.Form.values()) {
      for (List<Integer> axes : List.of(List.of(0), List.of(1, 2), List.of(2, 0))) {
        Input x = Input.of(DType.F32, small, Values.signed(), form);
        Input y = Input.of(DType.F32, small, Values.signed());
        cases.add(distance(axes, x, y, form.name()).differentiable());
      }
    }
    for (Shape other : new Shape[] {Shape.of(5), Shape.of(3, 1), Shape.scalar()}) {
      cases.add(distance(List.of(0, 1, 2), small, other));
      cases.add(distance(List.of(0, 2), other, small));
    }
    for (DType dtype : FLOATS) {
      Input x = Input.of(dtype, Shape.of(7, 33), Values.signed());
      cases.add(distance(List.of(1), x, Input.of(dtype, Shape.of(33), Values.signed()), ""));
    }
    for (Reduce.Fn fn : Reduce.Fn.values()) {
      for (int axis = 0; axis < 2; axis++) {
        cases.add(larger(fn, axis, Shape.of(70, 33), Values.uniform(-1.05, -0.95), ""));
        cases.add(larger(fn, axis, Shape.of(33, 70), Values.of(1, -2, Double.NaN, -0.0), "NaN"));
        cases.add(larger(fn, axis, Shape.of(9, 70), Values.of(-0.0), "negative zeros"));
      }
    }
  }

  /** Tiles, pieces of runs, cuts of rows, and runs and rows that do not lie side by side. */
  private static void large(List<OpCase> cases) {
    Shape line = Shape.of(OpCases.LARGE);
    Shape wide = Shape.of(3, 4099);
    Shape images = Shape.of(9, 3, 20, 14);
    cases.add(distance(List.of(0), line, line));
    cases.add(distance(List.of(0), line, Shape.scalar()));
    cases.add(distance(List.of(0), wide, Shape.of(4099)));
    cases.add(distance(List.of(1), wide, wide));
    cases.add(distance(List.of(1), wide, Shape.of(3, 1)));
    cases.add(distance(List.of(0, 1), wide, Shape.of(4099)));
    cases.add(distance(List.of(0, 1), Shape.of(150, 1), Shape.of(150)));
    cases.add(distance(List.of(0), Shape.of(150, 130), Shape.of(150, 1)));
    cases.add(distance(List.of(0, 2, 3), images, Shape.of(3, 1, 1)));
    cases.add(distance(List.of(0, 2, 3), images, images));
    cases.add(distance(List.of(0, 2), Shape.of(20, 7, 11, 280), Shape.of(11, 280)));
    cases.add(distance(List.of(1), Shape.of(33, 70, 35), Shape.of(70, 1)));
  }

  private static OpCase distance(List<Integer> axes, Shape x, Shape y) {
    return distance(
        axes, Input.of(DType.F32, x, Values.signed()), Input.of(DType.F32, y, Values.signed()), "");
  }

  private static OpCase distance(List<Integer> axes, Input x, Input y, String remark) {
    FusedReduce op = new FusedReduce(DISTANCE, new Reduce(Reduce.Fn.SUM, axes, false));
    Shape folded = op.folded(List.of(x.spec(), y.spec())).shape();
    long length = axes.stream().mapToLong(folded::dim).reduce(1, (a, b) -> a * b);
    Tolerance tolerance = Tolerance.chain(3, length, Tolerance.Magnitude.constant(36.0 * length));
    return OpCase.of(op, tolerance, "axes " + axes + " " + remark, x, y);
  }

  private static OpCase larger(Reduce.Fn fn, int axis, Shape shape, Values values, String remark) {
    Tolerance tolerance =
        switch (fn) {
          case SUM, PROD -> Tolerance.dot(shape.dim(axis));
          case MAX, MIN -> Tolerance.exact();
        };
    return OpCase.of(
        new FusedReduce(LARGER, new Reduce(fn, List.of(axis), true)),
        tolerance,
        "axis " + axis + " kept " + remark,
        Input.of(DType.F32, shape, values),
        Input.of(DType.F32, shape, values));
  }
}
