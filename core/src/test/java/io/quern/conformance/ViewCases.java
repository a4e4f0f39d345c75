package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.View;
import java.util.List;

/** Cases for {@link View}, which need no kernel but gradients and a copy now and then. */
final class ViewCases {
  private ViewCases() {}

  static void addTo(List<OpCase> cases) {
    Shape shape = Shape.of(4, 3, 6);
    List<View> views =
        List.of(
            new View.Reshape(Shape.of(12, 6)),
            new View.Reshape(Shape.of(2, 2, 1, 18)),
            new View.Reshape(Shape.of(72)),
            new View.Permute(List.of(2, 0, 1)),
            new View.Permute(List.of(0, 2, 1)),
            new View.Permute(List.of(0, 1, 2)),
            new View.Expand(Shape.of(4, 3, 6)),
            new View.Expand(Shape.of(2, 4, 3, 6)),
            new View.Slice(0, 1, 2, 1),
            new View.Slice(1, 0, 2, 2),
            new View.Slice(-1, 1, 2, 3),
            new View.Slice(2, 6, 0, 1),
            new View.Flip(0),
            new View.Flip(-1));
    for (View view : views) {
      for (Input.Form form : Input.Form.values()) {
        add(view, DType.F32, shape, form, cases);
      }
      add(view, DType.U8, shape, Input.Form.PLAIN, cases);
    }
    add(new View.Expand(Shape.of(5, 3, 4)), DType.F32, Shape.of(3, 1), Input.Form.PLAIN, cases);
    add(new View.Expand(Shape.of(2, 0)), DType.F32, Shape.of(2, 1), Input.Form.PLAIN, cases);
    add(new View.Expand(Shape.of(2, 3)), DType.F32, Shape.scalar(), Input.Form.PLAIN, cases);
    add(new View.Reshape(Shape.of(1, 1)), DType.F32, Shape.scalar(), Input.Form.PLAIN, cases);
    add(new View.Reshape(Shape.scalar()), DType.F32, Shape.of(1), Input.Form.PLAIN, cases);
    add(new View.Reshape(Shape.of(7, 0)), DType.F32, Shape.of(0, 3), Input.Form.PLAIN, cases);
  }

  private static void add(
      View view, DType dtype, Shape shape, Input.Form form, List<OpCase> cases) {
    Input input = Input.of(dtype, shape, Values.signed(), form);
    OpCase opCase = OpCase.of(view, Tolerance.exact(), view + " " + form, input);
    cases.add(dtype.isFloat() ? opCase.differentiable() : opCase);
  }
}
