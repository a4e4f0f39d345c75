package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.IntegerMatMul;
import java.util.List;

/** Cases for {@link IntegerMatMul}. */
final class IntegerMatMulCases {
  private static final int[][] SIZES = {
    {1, 1, 1},
    {8, 32, 64},
    {9, 4, 33},
    {3, 5, 17},
    {70, 130, 65},
    {1, 300, 100},
    {17, 259, 16},
    {2, 0, 3},
    {0, 4, 5},
    {200, 384, 96},
    {21, 128, 40}
  };

  /** Those that take one row, many rows, or sums in parts. */
  private static final int[][] LARGE_SIZES = {
    {1, 2100, 48},
    {1, 67, 1040},
    {1, 304, 24},
    {129, 80, 260},
    {20, 1040, 36},
    {20, 1300, 35},
    {70, 1216, 68}
  };

  private IntegerMatMulCases() {}

  static void addTo(List<OpCase> cases) {
    for (DType left : List.of(DType.U8, DType.I8)) {
      for (DType right : List.of(DType.U8, DType.I8)) {
        for (int[] size : SIZES) {
          Shape a = Shape.of(size[0], size[1]);
          Shape b = Shape.of(size[1], size[2]);
          cases.add(of(left, a, Shape.scalar(), right, b, Shape.scalar()));
          cases.add(of(DType.F32, left, a, Shape.scalar(), right, b, Shape.of(size[2])));
          cases.add(of(left, a, Shape.scalar(), right, b, Shape.of(size[2])));
        }
        cases.add(
            of(left, Shape.of(2, 3, 19), Shape.scalar(), right, Shape.of(19, 21), Shape.of(1)));
      }
    }
    for (int[] size : LARGE_SIZES) {
      for (Input.Form left : List.of(Input.Form.PLAIN, Input.Form.PERMUTED)) {
        for (Input.Form right : List.of(Input.Form.PLAIN, Input.Form.PERMUTED)) {
          DType dtype = left == right ? DType.I8 : DType.U8;
          cases.add(
              OpCase.of(
                  new IntegerMatMul(right == Input.Form.PLAIN ? DType.I32 : DType.F32),
                  Tolerance.exact(),
                  left + ", " + right,
                  bytes(dtype, Shape.of(size[0], size[1]), left),
                  bytes(dtype, Shape.of(left == Input.Form.PLAIN ? 1 : size[0], 1)),
                  bytes(DType.I8, Shape.of(size[1], size[2]), right),
                  bytes(DType.I8, Shape.of(right == Input.Form.PLAIN ? size[2] : 1))));
        }
      }
    }
    Shape matrix = Shape.of(6, 12);
    cases.add(of(DType.U8, matrix, Shape.of(6, 1), DType.I8, Shape.of(12, 5), Shape.of(5)));
    Shape batch = Shape.of(3, 12, 5);
    cases.add(of(DType.U8, matrix, Shape.scalar(), DType.I8, batch, Shape.scalar()));
    for (Input.Form form : Input.Form.values()) {
      cases.add(
          OpCase.of(
              new IntegerMatMul(DType.I32),
              Tolerance.exact(),
              form.toString(),
              bytes(DType.U8, Shape.of(7, 20), form),
              bytes(DType.U8, Shape.scalar()),
              bytes(DType.I8, Shape.of(20, 33), form),
              bytes(DType.I8, Shape.of(33))));
    }
  }

  private static Input bytes(DType dtype, Shape shape) {
    return bytes(dtype, shape, Input.Form.PLAIN);
  }

  private static Input bytes(DType dtype, Shape shape, Input.Form form) {
    Values all = dtype == DType.U8 ? Values.integers(0, 256) : Values.integers(-128, 128);
    return Input.of(dtype, shape, all, form);
  }

  private static OpCase of(DType left, Shape a, Shape za, DType right, Shape b, Shape zb) {
    return of(DType.I32, left, a, za, right, b, zb);
  }

  private static OpCase of(
      DType result, DType left, Shape a, Shape za, DType right, Shape b, Shape zb) {
    return OpCase.of(
        new IntegerMatMul(result),
        Tolerance.exact(),
        "to " + result,
        bytes(left, a),
        bytes(left, za),
        bytes(right, b),
        bytes(right, zb));
  }
}
