package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.CumSum;
import io.quern.op.Op;
import io.quern.op.Sort;
import io.quern.op.TopK;
import java.util.List;

/** Cases for {@link CumSum}, {@link Sort} and {@link TopK}. */
final class ScanCases {
  private static final boolean[] BOTH = {false, true};

  private ScanCases() {}

  static void addTo(List<OpCase> cases) {
    for (boolean first : BOTH) {
      for (boolean second : BOTH) {
        cumSums(first, second, cases);
        topK(first, second, cases);
      }
      sort(first, cases);
    }
  }

  private static void cumSums(boolean exclusive, boolean reverse, List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      cumSum(new CumSum(1, exclusive, reverse), DType.F32, Shape.of(3, size), cases);
      cumSum(new CumSum(0, exclusive, reverse), DType.F32, Shape.of(size, 3), cases);
      cumSum(new CumSum(0, exclusive, reverse), DType.F32, Shape.of(5, size), cases);
    }
    for (DType dtype : DType.values()) {
      if (dtype != DType.BOOL) {
        cumSum(new CumSum(-1, exclusive, reverse), dtype, Shape.of(4, 33), cases);
      }
    }
    for (Input.Form form : Input.Form.values()) {
      for (int axis = 0; axis < 3; axis++) {
        CumSum op = new CumSum(axis, exclusive, reverse);
        Input input = Input.of(DType.F32, Shape.of(4, 3, 5), Values.signed(), form);
        cases.add(cumSum(op, input, form.name()).differentiable());
      }
    }
    Shape large = Shape.of(7, 10_001);
    cumSum(new CumSum(1, exclusive, reverse), DType.F32, large, cases);
    cumSum(new CumSum(0, exclusive, reverse), DType.F32, large, cases);
    Values rare = Values.of(1, 2, -3, 4, Double.POSITIVE_INFINITY, 0.5, Double.NaN, 2);
    Input special = Input.of(DType.F32, Shape.of(8), rare);
    cases.add(cumSum(new CumSum(0, exclusive, reverse), special, "with NaN and infinity"));
  }

  private static void cumSum(CumSum op, DType dtype, Shape shape, List<OpCase> cases) {
    cases.add(cumSum(op, Input.of(dtype, shape, Values.signed()), ""));
  }

  private static OpCase cumSum(CumSum op, Input input, String remark) {
    long length = input.spec().shape().dim(op.axis());
    Tolerance tolerance =
        input.base().dtype().isFloat() ? Tolerance.dot(length) : Tolerance.exact();
    String kind = (op.exclusive() ? " exclusive" : "") + (op.reverse() ? " reverse" : "");
    return OpCase.of(op, tolerance, "axis " + op.axis() + kind + " " + remark, input);
  }

  private static void sort(boolean descending, List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      Sort last = new Sort(1, descending);
      cases.add(of(last, Input.of(DType.F32, Shape.of(3, size), Values.signed()), ""));
      Values ties = Values.integers(-3, 3);
      cases.add(of(last, Input.of(DType.F32, Shape.of(2, size), ties), "ties"));
    }
    for (DType dtype : DType.values()) {
      cases.add(of(new Sort(0, descending), Input.of(dtype, Shape.of(40, 3), Values.signed()), ""));
      if (dtype.isFloat()) {
        Input specials = Input.of(dtype, Shape.of(2, 100), Values.specials());
        cases.add(of(new Sort(1, descending), specials, "specials"));
      }
    }
    for (Input.Form form : Input.Form.values()) {
      for (int axis : new int[] {0, 1, -1}) {
        Input input = Input.of(DType.F32, Shape.of(4, 3, 5), Values.distinct(), form);
        OpCase opCase = of(new Sort(axis, descending), input, form.name());
        boolean distinct = form != Input.Form.EXPANDED || axis != 0;
        cases.add(distinct ? opCase.differentiable() : opCase);
      }
    }
    Input large = Input.of(DType.F32, Shape.of(5, 20_001), Values.wide(60));
    cases.add(of(new Sort(1, descending), large, "wide"));
  }

  private static void topK(boolean largest, boolean sorted, List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      for (int count : new int[] {0, 1, 5, 64, 65, 1000}) {
        if (count <= size) {
          TopK op = new TopK(1, count, largest, sorted);
          cases.add(of(op, Input.of(DType.F32, Shape.of(3, size), Values.integers(-40, 40)), ""));
        }
      }
    }
    for (DType dtype : DType.values()) {
      Input input = Input.of(dtype, Shape.of(40, 3), Values.signed());
      cases.add(of(new TopK(0, 7, largest, sorted), input, ""));
      if (dtype.isFloat()) {
        Input specials = Input.of(dtype, Shape.of(2, 100), Values.specials());
        cases.add(of(new TopK(1, 13, largest, sorted), specials, "specials"));
      }
    }
    for (Input.Form form : Input.Form.values()) {
      Input input = Input.of(DType.F32, Shape.of(4, 3, 5), Values.distinct(), form);
      cases.add(of(new TopK(1, 2, largest, sorted), input, form.name()).differentiable());
    }
    Input large = Input.of(DType.F32, Shape.of(3, 20_001), Values.signed());
    cases.add(of(new TopK(-1, 40, largest, sorted), large, ""));
    cases.add(of(new TopK(-1, 4000, largest, sorted), large, ""));
  }

  private static OpCase of(Op op, Input input, String remark) {
    return OpCase.of(op, Tolerance.exact(), op + " " + remark, input);
  }
}
