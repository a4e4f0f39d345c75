package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.ArgReduce;
import io.quern.op.Reduce;
import java.util.List;

/** Cases for {@link Reduce} and {@link ArgReduce}. */
final class ReduceCases {
  private static final DType[] NUMERIC = {
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
    DType.U8
  };

  private ReduceCases() {}

  static void addTo(List<OpCase> cases) {
    for (Reduce.Fn fn : Reduce.Fn.values()) {
      reduce(fn, cases);
    }
    for (ArgReduce.Fn fn : ArgReduce.Fn.values()) {
      argReduce(fn, cases);
    }
  }

  private static void reduce(Reduce.Fn fn, List<OpCase> cases) {
    boolean isExtreme = fn == Reduce.Fn.MAX || fn == Reduce.Fn.MIN;
    for (int size : OpCases.SIZES) {
      if (size > 0 || !isExtreme) {
        cases.add(of(fn, List.of(0), false, Shape.of(size), Input.Form.PLAIN));
        cases.add(of(fn, List.of(1), false, Shape.of(5, size), Input.Form.PLAIN));
        cases.add(of(fn, List.of(0), true, Shape.of(size, 5), Input.Form.PLAIN));
      }
    }
    cases.add(of(fn, List.of(0), false, Shape.of(100, 130), Input.Form.PLAIN));
    cases.add(of(fn, List.of(0), false, Shape.of(500, 132), Input.Form.PLAIN));
    cases.add(of(fn, List.of(0), false, Shape.of(OpCases.LARGE), Input.Form.PLAIN));
    for (int axis = 0; axis < 3; axis++) {
      cases.add(of(fn, List.of(axis), false, Shape.of(33, 70, 35), Input.Form.PLAIN));
    }
    cases.add(of(fn, List.of(-1), false, Shape.of(3, 4099), Input.Form.PLAIN));
    cases.add(of(fn, List.of(0, 2, 3), false, Shape.of(9, 3, 14, 14), Input.Form.PLAIN));
    cases.add(of(fn, List.of(0, 2), false, Shape.of(4200, 2, 5), Input.Form.PLAIN));
    if (!isExtreme) {
      cases.add(of(fn, List.of(1), false, Shape.of(4, 0), Input.Form.PLAIN));
    }
    cases.add(of(fn, List.of(0), false, Shape.of(4, 0), Input.Form.PLAIN));
    cases.add(of(fn, List.of(), false, Shape.of(4, 5), Input.Form.PLAIN));
    cases.add(of(fn, List.of(), false, Shape.scalar(), Input.Form.PLAIN));
    List<List<Integer>> axes =
        List.of(
            List.of(0),
            List.of(1),
            List.of(2),
            List.of(0, 1),
            List.of(2, 0),
            List.of(1, -1),
            List.of(0, 1, 2));
    for (List<Integer> each : axes) {
      for (Input.Form form : Input.Form.values()) {
        boolean keepDims = each.size() % 2 == 0;
        cases.add(of(fn, each, keepDims, Shape.of(4, 3, 5), form).differentiable());
      }
    }
    types(fn, isExtreme, cases);
  }

  private static void types(Reduce.Fn fn, boolean isExtreme, List<OpCase> cases) {
    for (DType dtype : NUMERIC) {
      Input input = Input.of(dtype, Shape.of(7, 33), values(fn, dtype));
      cases.add(of(fn, List.of(1), false, input, ""));
      cases.add(of(fn, List.of(0), false, input, ""));
    }
    if (isExtreme) {
      Input flags = Input.of(DType.BOOL, Shape.of(16, 3), Values.signed());
      cases.add(of(fn, List.of(1), false, flags, ""));
    }
    for (DType dtype : new DType[] {DType.F32, DType.F64, DType.F16, DType.BF16}) {
      // Products of extremes leave the range of the type or not, depending on their order.
      Values values =
          fn == Reduce.Fn.PROD
              ? Values.of(1, -2, Double.NaN, 0.5, 3, Double.POSITIVE_INFINITY, -0.0, -1)
              : Values.specials();
      Input specials = Input.of(dtype, Shape.of(33, 5), values);
      cases.add(of(fn, List.of(1), false, specials, "specials"));
      cases.add(of(fn, List.of(0), false, specials, "specials"));
      Input zeros = Input.of(dtype, Shape.of(9, 70), Values.of(-0.0));
      cases.add(of(fn, List.of(1), false, zeros, "negative zeros"));
    }
  }

  private static OpCase of(
      Reduce.Fn fn, List<Integer> axes, boolean keepDims, Shape shape, Input.Form form) {
    Input input = Input.of(DType.F32, shape, values(fn, DType.F32), form);
    return of(fn, axes, keepDims, input, form == Input.Form.PLAIN ? "" : form.name());
  }

  private static OpCase of(
      Reduce.Fn fn, List<Integer> axes, boolean keepDims, Input input, String remark) {
    Shape shape = input.spec().shape();
    long length = axes.stream().mapToLong(shape::dim).reduce(1, (a, b) -> a * b);
    Tolerance tolerance =
        switch (fn) {
          case SUM, PROD -> Tolerance.dot(length);
          case MAX, MIN -> Tolerance.exact();
        };
    String text = "axes " + axes + (keepDims ? " kept " : " ") + remark;
    return OpCase.of(new Reduce(fn, axes, keepDims), tolerance, text, input);
  }

  private static Values values(Reduce.Fn fn, DType dtype) {
    return switch (fn) {
      case SUM -> Values.signed();
      // Products of many elements stay in range; gradients divide by no zero.
      case PROD -> dtype.isFloat() ? signsTimes(0.95, 1.05) : Values.integers(1, 4);
      case MAX, MIN -> dtype.isFloat() ? Values.distinct() : Values.signed();
    };
  }

  private static Values signsTimes(double low, double high) {
    return (dtype, count, random) -> {
      double[] values = random.doubles(count, low, high).toArray();
      for (int i = 0; i < count; i++) {
        values[i] = random.nextBoolean() ? values[i] : -values[i];
      }
      return values;
    };
  }

  private static void argReduce(ArgReduce.Fn fn, List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      if (size > 0) {
        cases.add(arg(fn, 0, false, DType.F32, Shape.of(size), Values.signed(), ""));
        cases.add(arg(fn, 1, true, DType.F32, Shape.of(3, size), Values.distinct(), ""));
      }
    }
    cases.add(arg(fn, 0, false, DType.F32, Shape.of(OpCases.LARGE), Values.distinct(), ""));
    cases.add(arg(fn, 1, false, DType.F32, Shape.of(301, 257), Values.distinct(), ""));
    cases.add(arg(fn, 0, false, DType.F32, Shape.of(301, 67), Values.integers(-9, 9), "ties"));
    cases.add(arg(fn, 0, false, DType.F32, Shape.of(3000, 40), Values.integers(-99, 99), "ties"));
    cases.add(arg(fn, 0, false, DType.F32, Shape.of(999, 132), Values.integers(-99, 99), "ties"));
    for (int axis : new int[] {0, 1, 2, -1}) {
      for (Input.Form form : Input.Form.values()) {
        Input input = Input.of(DType.F32, Shape.of(4, 3, 5), Values.integers(-2, 3), form);
        cases.add(
            OpCase.of(
                new ArgReduce(fn, axis, false),
                Tolerance.exact(),
                "axis " + axis + " ties " + form,
                input));
      }
    }
    for (DType dtype : NUMERIC) {
      Values ties = Values.integers(0, 4);
      cases.add(arg(fn, 1, false, dtype, Shape.of(7, 33), ties, "ties"));
    }
    for (DType dtype : new DType[] {DType.F32, DType.F64, DType.F16, DType.BF16}) {
      Shape shape = Shape.of(33, 7);
      cases.add(arg(fn, 1, false, dtype, shape, Values.specials(), "specials"));
      cases.add(arg(fn, 0, false, dtype, shape, Values.specials(), "specials"));
      Values zeros = Values.of(0, -0.0, -0.0, 0);
      cases.add(arg(fn, 1, false, dtype, Shape.of(5, 31), zeros, "zeros of both signs"));
      Values nans = Values.of(Double.NaN);
      cases.add(arg(fn, 1, false, dtype, Shape.of(2, 40), nans, "only NaN"));
    }
    cases.add(arg(fn, 1, false, DType.F32, Shape.of(0, 4), Values.signed(), ""));
  }

  private static OpCase arg(
      ArgReduce.Fn fn,
      int axis,
      boolean keepDims,
      DType dtype,
      Shape shape,
      Values values,
      String remark) {
    String text = "axis " + axis + (keepDims ? " kept " : " ") + remark;
    return OpCase.of(
        new ArgReduce(fn, axis, keepDims), Tolerance.exact(), text, Input.of(dtype, shape, values));
  }
}
