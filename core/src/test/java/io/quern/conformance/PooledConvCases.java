package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Conv2d;
import io.quern.op.Epilogue;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.PooledConv2d;
import io.quern.op.ScalarProgram;
import io.quern.op.Window;
import java.util.List;

/**
 * Cases for {@link PooledConv2d}. Maxima are as far from the exact ones as the results they are
 * taken of, at most.
 */
final class PooledConvCases {
  private static final Window PAIRS = Window.of(2).stride(2);
  private static final Window OVERLAPPING = Window.of(3).stride(2);

  private PooledConvCases() {}

  static void addTo(List<OpCase> cases) {
    Window halves = Window.of(3).stride(2);
    Window stem = Window.of(7).stride(2).padding(3);
    Window dense = Window.of(5).padding(2);
    add("rows in a ring", Shape.of(1, 3, 33, 33), 64, halves, 1, OVERLAPPING, cases);
    add("padded", Shape.of(2, 3, 30, 62), 64, stem, 1, OVERLAPPING.padding(1), cases);
    add("side by side", Shape.of(1, 4, 10, 24), 32, dense, 1, PAIRS, cases);
    add("at each pixel", Shape.of(1, 4, 9, 16), 64, dense, 1, Window.of(3).padding(1), cases);
    add("last panel not full", Shape.of(2, 4, 11, 24), 70, dense, 1, OVERLAPPING, cases);
    add("gaps", Shape.of(1, 4, 14, 32), 32, dense, 1, Window.of(2).stride(3), cases);
    add("uneven", Shape.of(1, 4, 13, 24), 32, dense, 1, uneven(), cases);
    add("groups", Shape.of(2, 8, 9, 16), 64, dense, 2, OVERLAPPING, cases);
    add("all rows", Shape.of(1, 4, 7, 15), 32, dense, 1, Window.of(7, 3), cases);
    add("dilated", Shape.of(1, 4, 9, 16), 32, dense, 1, Window.of(2).dilation(3), cases);
    add("rows that fill few tiles", Shape.of(1, 4, 9, 17), 32, dense, 1, PAIRS, cases);
    add("no images", Shape.of(0, 4, 9, 16), 32, dense, 1, PAIRS, cases);
    differentiable(cases);
  }

  private static Window uneven() {
    return new Window(3, 4, 2, 1, 2, 1, 0, 3, 1, 1);
  }

  private static void add(
      String remark,
      Shape image,
      long filters,
      Window window,
      int groups,
      Window pool,
      List<OpCase> cases) {
    Conv2d conv = new Conv2d(window, groups);
    Shape weight = Shape.of(filters, image.dim(1) / groups, window.kernelH(), window.kernelW());
    for (Op op : new Op[] {conv, new Epilogue(conv, 3, ScalarProgram.RELU)}) {
      cases.add(opCase(op, pool, remark, image, weight, Shape.of(filters)));
    }
    Epilogue withoutBias = new Epilogue(conv, 2, ScalarProgram.RELU);
    cases.add(opCase(withoutBias, pool, remark, image, weight));
  }

  /** Far from ties, where there is a gradient. */
  private static void differentiable(List<OpCase> cases) {
    Conv2d conv = new Conv2d(Window.of(3), 1);
    OpCase small =
        opCase(conv, PAIRS, "small", Shape.of(1, 2, 6, 8), Shape.of(3, 2, 3, 3), Shape.of(3));
    cases.add(small.differentiable());
  }

  private static OpCase opCase(Op conv, Window window, String remark, Shape... shapes) {
    Input[] inputs = new Input[shapes.length];
    for (int i = 0; i < shapes.length; i++) {
      inputs[i] = Input.of(DType.F32, shapes[i], Values.signed());
    }
    long depth = shapes[1].size() / shapes[1].dim(0) + 1;
    Op op = new PooledConv2d(conv, new Pool2d(Pool2d.Fn.MAX, window, true));
    return OpCase.of(op, Tolerance.dot(depth), remark, inputs);
  }
}
