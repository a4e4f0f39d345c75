package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Concat;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.Pad;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.op.TensorSpec;
import java.util.List;

/** Cases for the ops that move elements: gather, take-along, concat, pad. */
final class IndexingCases {
  private IndexingCases() {}

  static void addTo(List<OpCase> cases) {
    gather(cases);
    takeAlong(cases);
    concat(cases);
    pad(cases);
  }

  private static Values indices(long bound) {
    return Values.integers(0, Math.toIntExact(bound));
  }

  private static void gather(List<OpCase> cases) {
    Shape data = Shape.of(6, 5, 7);
    for (int axis : new int[] {0, 1, 2, -1}) {
      for (Shape index : List.of(Shape.scalar(), Shape.of(1), Shape.of(9), Shape.of(2, 3))) {
        gather(DType.F32, DType.I64, data, index, axis, Input.Form.PLAIN, cases);
      }
      gather(DType.F32, DType.I64, data, Shape.of(0), axis, Input.Form.PLAIN, cases);
    }
    for (Input.Form form : Input.Form.values()) {
      gather(DType.F32, DType.I32, data, Shape.of(3, 4), 1, form, cases);
    }
    for (DType dtype : DType.values()) {
      gather(dtype, DType.I32, Shape.of(10, 33), Shape.of(17), 0, Input.Form.PLAIN, cases);
    }
    gather(DType.F32, DType.I64, Shape.of(100, 64), Shape.of(130), 0, Input.Form.PLAIN, cases);
    gather(DType.F32, DType.I64, Shape.of(1000), Shape.of(65), 0, Input.Form.PLAIN, cases);
    gather(DType.F32, DType.I64, Shape.of(50, 64), Shape.of(1201), 0, Input.Form.PLAIN, cases);
  }

  private static void gather(
      DType dtype,
      DType indexType,
      Shape data,
      Shape index,
      int axis,
      Input.Form form,
      List<OpCase> cases) {
    String remark = "axis " + axis + " " + form;
    Input values = Input.of(dtype, data, Values.signed(), form);
    Input positions = Input.of(indexType, index, indices(data.dim(axis)), form);
    OpCase forward = OpCase.of(new Gather(axis), Tolerance.exact(), remark, values, positions);
    cases.add(dtype.isFloat() && data.size() < 300 ? forward.differentiable() : forward);
    if (dtype.isFloat()) {
      TensorSpec output = forward.outputSpecs().getFirst();
      Input gradient = Input.of(dtype, output.shape(), Values.signed(), form);
      cases.add(
          OpCase.of(
                  new GatherGrad(axis, data),
                  Tolerance.dot(index.size()),
                  remark + " into " + data,
                  positions,
                  gradient)
              .differentiable());
    }
  }

  private static void takeAlong(List<OpCase> cases) {
    Shape data = Shape.of(6, 5, 7);
    for (int axis : new int[] {0, 1, 2, -1}) {
      for (int count : new int[] {0, 1, 4, 9}) {
        takeAlong(DType.F32, DType.I64, data, axis, count, Input.Form.PLAIN, cases);
      }
    }
    for (Input.Form form : Input.Form.values()) {
      takeAlong(DType.F32, DType.I32, data, 1, 3, form, cases);
      takeAlong(DType.F32, DType.I64, data, 2, 8, form, cases);
    }
    for (DType dtype : DType.values()) {
      takeAlong(dtype, DType.I64, Shape.of(33, 10), 1, 1, Input.Form.PLAIN, cases);
    }
    takeAlong(DType.F32, DType.I64, Shape.of(64), 0, 65, Input.Form.PLAIN, cases);
  }

  private static void takeAlong(
      DType dtype,
      DType indexType,
      Shape data,
      int axis,
      int count,
      Input.Form form,
      List<OpCase> cases) {
    String remark = "axis " + axis + " " + form;
    Shape index = data.with(axis, count);
    Input values = Input.of(dtype, data, Values.signed(), form);
    Input positions = Input.of(indexType, index, indices(data.dim(axis)), form);
    OpCase forward = OpCase.of(new TakeAlong(axis), Tolerance.exact(), remark, values, positions);
    cases.add(dtype.isFloat() ? forward.differentiable() : forward);
    if (dtype.isFloat()) {
      Input gradient = Input.of(dtype, index, Values.signed(), form);
      cases.add(
          OpCase.of(
                  new TakeAlongGrad(axis, data),
                  Tolerance.dot(count),
                  remark + " into " + data,
                  positions,
                  gradient)
              .differentiable());
    }
  }

  private static void concat(List<OpCase> cases) {
    for (DType dtype : DType.values()) {
      concat(dtype, 1, Input.Form.PLAIN, cases, Shape.of(3, 2), Shape.of(3, 5), Shape.of(3, 1));
    }
    for (Input.Form form : Input.Form.values()) {
      for (int axis : new int[] {0, 2, -2}) {
        concat(DType.F32, axis, form, cases, Shape.of(4, 3, 5), Shape.of(4, 3, 5));
      }
    }
    concat(DType.F32, 0, Input.Form.PLAIN, cases, Shape.of(7));
    concat(DType.F32, 0, Input.Form.PLAIN, cases, Shape.of(33), Shape.of(0), Shape.of(65));
    concat(DType.F32, 0, Input.Form.PLAIN, cases, Shape.of(0, 3), Shape.of(0, 3));
    concat(DType.F32, -1, Input.Form.PLAIN, cases, Shape.of(5, 64), Shape.of(5, 31));
  }

  private static void concat(
      DType dtype, int axis, Input.Form form, List<OpCase> cases, Shape... shapes) {
    Input[] inputs = new Input[shapes.length];
    for (int i = 0; i < shapes.length; i++) {
      inputs[i] = Input.of(dtype, shapes[i], Values.signed(), form);
    }
    OpCase opCase =
        OpCase.of(new Concat(axis), Tolerance.exact(), "axis " + axis + " " + form, inputs);
    cases.add(dtype.isFloat() ? opCase.differentiable() : opCase);
  }

  private static void pad(List<OpCase> cases) {
    Pad mixed = new Pad(List.of(1L, 0L, 2L), List.of(2L, 3L, 0L), List.of(0L, 1L, 2L), -1.5);
    for (Input.Form form : Input.Form.values()) {
      pad(mixed, DType.F32, Shape.of(4, 3, 5), form, cases);
    }
    for (DType dtype : DType.values()) {
      Pad ones = new Pad(List.of(1L, 1L), List.of(1L, 0L), List.of(0L, 3L), 1);
      pad(ones, dtype, Shape.of(3, 17), Input.Form.PLAIN, cases);
    }
    Pad none = new Pad(List.of(0L), List.of(0L), List.of(0L), 0);
    pad(none, DType.F32, Shape.of(65), Input.Form.PLAIN, cases);
    Pad around = new Pad(List.of(3L), List.of(2L), List.of(4L), 7);
    pad(around, DType.F32, Shape.of(0), Input.Form.PLAIN, cases);
    pad(around, DType.F32, Shape.of(1), Input.Form.PLAIN, cases);
    pad(
        new Pad(List.of(), List.of(), List.of(), 0),
        DType.F32,
        Shape.scalar(),
        Input.Form.PLAIN,
        cases);
    pad(
        new Pad(List.of(2L), List.of(2L), List.of(0L), Double.NaN),
        DType.F32,
        Shape.of(33),
        Input.Form.PLAIN,
        cases);
  }

  private static void pad(Pad pad, DType dtype, Shape shape, Input.Form form, List<OpCase> cases) {
    String remark =
        pad.low() + " " + pad.high() + " " + pad.interior() + " of " + pad.value() + " " + form;
    OpCase opCase =
        OpCase.of(pad, Tolerance.exact(), remark, Input.of(dtype, shape, Values.signed(), form));
    boolean smooth = dtype.isFloat() && !Double.isNaN(pad.value());
    cases.add(smooth ? opCase.differentiable() : opCase);
  }
}
