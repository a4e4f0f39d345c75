package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.Fused;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.ScalarProgram.Literal;
import io.quern.op.Unary;
import java.util.List;
import java.util.Map;

/**
 * Cases for {@link Fused}. Inputs lie in [-3, 3] and no step enlarges an error by more than the
 * factor that its magnitude states; that chains have the bits of their ops one by one is checked
 * elsewhere.
 */
final class FusedCases {
  private static final DType[] FLOATS = {DType.F32, DType.F64, DType.F16, DType.BF16};

  private FusedCases() {}

  /** {@code tanh(x * y + 0.5)}: the argument is below 9.5, and tanh does not enlarge its error. */
  private static final ScalarProgram TANH =
      new ScalarProgram(
          2,
          List.of(
              new Apply2(Binary.Fn.MUL, 0, 1),
              new Literal(0.5),
              new Apply2(Binary.Fn.ADD, 2, 3),
              new Apply1(Unary.Fn.TANH, 4)));

  /** What the error cases refuse to apply. */
  static Fused tanh() {
    return new Fused(TANH);
  }

  /** {@code max(x - y, z) * -0.25 + |x|}: at most 4.5 with intermediate results to 6. */
  private static final ScalarProgram MIXED =
      new ScalarProgram(
          3,
          List.of(
              new Apply2(Binary.Fn.SUB, 0, 1),
              new Apply2(Binary.Fn.MAX, 3, 2),
              new Literal(-0.25),
              new Apply2(Binary.Fn.MUL, 4, 5),
              new Apply1(Unary.Fn.ABS, 0),
              new Apply2(Binary.Fn.ADD, 6, 7)));

  static void addTo(List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      cases.add(tanh(DType.F32, Shape.of(size), Shape.of(size), Input.Form.PLAIN));
    }
    cases.add(tanh(DType.F32, Shape.of(OpCases.LARGE), Shape.of(1), Input.Form.PLAIN));
    Shape shape = Shape.of(4, 3, 5);
    for (Input.Form form : Input.Form.values()) {
      cases.add(tanh(DType.F32, shape, shape, form).differentiable());
    }
    Shape[] others = {Shape.of(5), Shape.of(3, 1), Shape.of(4, 1, 1), Shape.scalar()};
    for (Shape other : others) {
      cases.add(tanh(DType.F32, shape, other, Input.Form.PLAIN).differentiable());
      cases.add(tanh(DType.F32, other, shape, Input.Form.PLAIN));
    }
    for (int width : new int[] {31, 64, 300}) {
      Shape wide = Shape.of(70, width);
      cases.add(mixed(DType.F32, wide, Shape.of(width), Shape.of(70, 1)));
      cases.add(mixed(DType.F32, Shape.of(70, 1), Shape.of(width), Shape.scalar()));
    }
    cases.add(mixed(DType.F32, Shape.of(2, 70, 40), Shape.of(70, 1), Shape.of(2, 1, 40)));
    for (DType dtype : FLOATS) {
      cases.add(tanh(dtype, Shape.of(77), Shape.of(77), Input.Form.PLAIN));
      cases.add(mixed(dtype, shape, Shape.of(5), Shape.of(3, 1)));
    }
  }

  private static OpCase tanh(DType dtype, Shape x, Shape y, Input.Form form) {
    OpCase opCase =
        OpCase.of(
            new Fused(TANH),
            Tolerance.chain(3, 1, Tolerance.Magnitude.constant(9.5)),
            form.name(),
            Input.of(dtype, x, Values.signed(), form),
            Input.of(dtype, y, Values.signed()));
    return x.equals(y) && form == Input.Form.PLAIN ? opCase.inPlace(Map.of(0, 0)) : opCase;
  }

  private static OpCase mixed(DType dtype, Shape x, Shape y, Shape z) {
    return OpCase.of(
        new Fused(MIXED),
        Tolerance.chain(5, 1, Tolerance.Magnitude.constant(6)),
        "mixed",
        Input.of(dtype, x, Values.signed()),
        Input.of(dtype, y, Values.signed()),
        Input.of(dtype, z, Values.signed()));
  }
}
