package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.MatMul;
import java.util.List;

/** Cases for {@link MatMul}. */
final class MatMulCases {
  /** Rows, inner dimension, columns. */
  private static final int[][] SIZES = {
    {1, 1, 1},
    {1, 7, 1},
    {1, 64, 1},
    {1, 1000, 1},
    {5, 1, 7},
    {1, 33, 17},
    {17, 33, 1},
    {2, 3, 4},
    {5, 5, 5},
    {6, 8, 32},
    {6, 1, 32},
    {7, 9, 33},
    {12, 16, 64},
    {13, 17, 65},
    {5, 31, 31},
    {11, 2, 63},
    {24, 100, 96},
    {25, 101, 97},
    {31, 127, 15},
    {64, 64, 64},
    {65, 65, 65},
    {1, 128, 256},
    {100, 300, 10},
    {3, 513, 35},
    {130, 40, 140},
    {1, 700, 600},
    {200, 260, 210},
    {700, 600, 1},
    {1, 70, 2100},
    {16, 800, 100},
    {100, 1000, 40},
    {70, 600, 70},
  };

  private static final int[][] EMPTY = {{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {0, 0, 0}};

  private static final Shape[][] BATCHES = {
    {Shape.of(3, 5, 7), Shape.of(3, 7, 9)},
    {Shape.of(3, 5, 7), Shape.of(7, 9)},
    {Shape.of(5, 7), Shape.of(3, 7, 9)},
    {Shape.of(2, 1, 5, 7), Shape.of(3, 7, 9)},
    {Shape.of(1, 5, 7), Shape.of(4, 7, 9)},
    {Shape.of(2, 2, 6, 8), Shape.of(2, 2, 8, 33)},
    {Shape.of(0, 5, 7), Shape.of(7, 9)},
    {Shape.of(4, 5, 0), Shape.of(4, 0, 9)},
  };

  private MatMulCases() {}

  static void addTo(List<OpCase> cases) {
    for (int[] size : SIZES) {
      OpCase opCase = of(DType.F32, size, "");
      cases.add(size[0] * size[1] * size[2] < 1000 ? opCase.differentiable() : opCase);
    }
    for (int[] size : SIZES) {
      cases.add(of(DType.F64, size, ""));
    }
    for (DType dtype : List.of(DType.F32, DType.F64)) {
      for (int[] size : EMPTY) {
        cases.add(of(dtype, size, ""));
      }
      for (Shape[] shapes : BATCHES) {
        OpCase opCase =
            of(
                Input.of(dtype, shapes[0], Values.signed()),
                Input.of(dtype, shapes[1], Values.signed()),
                "");
        cases.add(dtype == DType.F32 ? opCase.differentiable() : opCase);
      }
      forms(dtype, cases);
    }
    for (DType dtype : DType.values()) {
      if (dtype != DType.BOOL && dtype != DType.F32) {
        cases.add(of(dtype, new int[] {13, 70, 37}, ""));
        cases.add(of(dtype, new int[] {1, 33, 9}, ""));
      }
    }
    for (DType dtype : List.of(DType.F16, DType.BF16)) {
      narrow(dtype, cases);
    }
    brain(cases);
    Values rare = Values.of(1, 2, -3, Double.NaN, 0.5, 4, -1, 2, Double.POSITIVE_INFINITY, 0, 7);
    cases.add(
        of(
            Input.of(DType.F32, Shape.of(9, 5), rare),
            Input.of(DType.F32, Shape.of(5, 40), Values.awayFromZero()),
            "with NaN and infinity"));
  }

  /** Products of BF16 have kernels of their own for operands of any size and strides. */
  private static void brain(List<OpCase> cases) {
    for (int[] size : SIZES) {
      for (Input.Form form : List.of(Input.Form.PLAIN, Input.Form.PERMUTED)) {
        cases.add(
            of(
                Input.of(DType.BF16, Shape.of(size[0], size[1]), Values.signed(), form),
                Input.of(DType.BF16, Shape.of(size[1], size[2]), Values.signed(), form),
                form.name()));
      }
    }
    for (Input.Form form : Input.Form.values()) {
      cases.add(
          of(
              Input.of(DType.BF16, Shape.of(37, 64), Values.signed(), form),
              Input.of(DType.BF16, Shape.of(64, 43), Values.signed(), form),
              form.name()));
    }
  }

  /** Sizes that matrix units take, with tiles that are not full. */
  private static void narrow(DType dtype, List<OpCase> cases) {
    for (Input.Form left : List.of(Input.Form.PLAIN, Input.Form.PERMUTED)) {
      for (Input.Form right : List.of(Input.Form.PLAIN, Input.Form.PERMUTED)) {
        cases.add(
            of(
                Input.of(dtype, Shape.of(136, 200), Values.signed(), left),
                Input.of(dtype, Shape.of(200, 328), Values.signed(), right),
                left + " x " + right));
      }
    }
    for (Input.Form right : List.of(Input.Form.PLAIN, Input.Form.PERMUTED)) {
      cases.add(
          of(
              Input.of(dtype, Shape.of(2, 35, 96), Values.signed()),
              Input.of(dtype, Shape.of(96, 64), Values.signed(), right),
              "whole tiles, " + right));
    }
    Shape[][] batches = {
      {Shape.of(3, 72, 128), Shape.of(3, 128, 80)},
      {Shape.of(3, 72, 128), Shape.of(128, 80)},
      {Shape.of(72, 128), Shape.of(3, 128, 80)},
    };
    for (Shape[] shapes : batches) {
      cases.add(
          of(
              Input.of(dtype, shapes[0], Values.signed()),
              Input.of(dtype, shapes[1], Values.signed()),
              ""));
    }
  }

  private static void forms(DType dtype, List<OpCase> cases) {
    for (Input.Form left : Input.Form.values()) {
      for (Input.Form right : Input.Form.values()) {
        OpCase opCase =
            of(
                Input.of(dtype, Shape.of(7, 19), Values.signed(), left),
                Input.of(dtype, Shape.of(19, 33), Values.signed(), right),
                left + " x " + right);
        boolean both = dtype == DType.F32 && left != Input.Form.PLAIN && left == right;
        cases.add(both ? opCase.differentiable() : opCase);
      }
      cases.add(
          of(
              Input.of(dtype, Shape.of(1, 75), Values.signed(), left),
              Input.of(dtype, Shape.of(75, 130), Values.signed(), left),
              "one row, " + left));
      cases.add(
          of(
              Input.of(dtype, Shape.of(130, 75), Values.signed(), left),
              Input.of(dtype, Shape.of(75, 1), Values.signed(), left),
              "one column, " + left));
      cases.add(
          of(
              Input.of(dtype, Shape.of(3, 20, 65), Values.signed(), left),
              Input.of(dtype, Shape.of(3, 65, 34), Values.signed(), left),
              "batched " + left));
    }
  }

  private static OpCase of(DType dtype, int[] size, String remark) {
    return of(
        Input.of(dtype, Shape.of(size[0], size[1]), Values.signed()),
        Input.of(dtype, Shape.of(size[1], size[2]), Values.signed()),
        remark);
  }

  private static OpCase of(Input left, Input right, String remark) {
    Tolerance tolerance =
        left.base().dtype().isFloat()
            ? Tolerance.dot(left.spec().shape().dim(-1))
            : Tolerance.exact();
    return OpCase.of(new MatMul(), tolerance, remark, left, right);
  }
}
