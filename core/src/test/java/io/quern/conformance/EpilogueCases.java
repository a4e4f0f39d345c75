package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.Conv2d;
import io.quern.op.Epilogue;
import io.quern.op.MatMul;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.ScalarProgram.Literal;
import io.quern.op.Unary;
import io.quern.op.Window;
import java.util.ArrayList;
import java.util.List;

/** Cases for {@link Epilogue}. */
final class EpilogueCases {
  private EpilogueCases() {}

  /** {@code relu(product + x)}, which enlarges no error. */
  private static final ScalarProgram BIAS_RELU =
      new ScalarProgram(2, List.of(new Apply2(Binary.Fn.ADD, 0, 1), new Apply1(Unary.Fn.RELU, 2)));

  /** {@code relu(relu(product + x) + y)}, where y comes first in the sum. */
  private static final ScalarProgram BLOCK =
      new ScalarProgram(
          3,
          List.of(
              new Apply2(Binary.Fn.ADD, 0, 1),
              new Apply1(Unary.Fn.RELU, 3),
              new Apply2(Binary.Fn.ADD, 2, 4),
              new Apply1(Unary.Fn.RELU, 5)));

  private static final ScalarProgram RELU =
      new ScalarProgram(1, List.of(new Apply1(Unary.Fn.RELU, 0)));

  /** {@code 0.5 * (product + x) - y}. */
  private static final ScalarProgram RESIDUAL =
      new ScalarProgram(
          3,
          List.of(
              new Apply2(Binary.Fn.ADD, 0, 1),
              new Literal(0.5),
              new Apply2(Binary.Fn.MUL, 3, 4),
              new Apply2(Binary.Fn.SUB, 5, 2)));

  /** What the error cases refuse to apply. */
  static Epilogue biasRelu() {
    return new Epilogue(new MatMul(), 2, BIAS_RELU);
  }

  static void addTo(List<OpCase> cases) {
    int[][] sizes = {{1, 7, 9}, {5, 33, 64}, {6, 8, 32}, {13, 100, 65}, {130, 40, 300}, {3, 0, 5}};
    for (int[] size : sizes) {
      Shape a = Shape.of(size[0], size[1]);
      Shape b = Shape.of(size[1], size[2]);
      for (Shape other : new Shape[] {Shape.of(size[2]), Shape.of(size[0], 1), Shape.scalar()}) {
        cases.add(product(BIAS_RELU, "bias", a, b, other));
      }
      Shape c = Shape.of(size[0], size[2]);
      cases.add(product(RESIDUAL, "residual", a, b, Shape.of(size[2]), c));
      cases.add(product(BLOCK, "block", a, b, Shape.of(size[2]), c));
      cases.add(product(BLOCK, "block", a, b, c, Shape.of(size[0], 1)));
      cases.add(product(RELU, "relu", a, b));
    }
    Shape tall = Shape.of(20, 600);
    Shape wide = Shape.of(600, 36);
    cases.add(product(BLOCK, "long sums", tall, wide, Shape.of(36), Shape.of(20, 36)));
    Shape stack = Shape.of(3, 5, 40);
    for (Shape other : new Shape[] {Shape.of(40, 36), Shape.of(3, 40, 36), Shape.of(1, 40, 36)}) {
      cases.add(product(BLOCK, "", stack, other, Shape.of(36), Shape.of(3, 5, 36)));
      cases.add(product(BLOCK, "", stack, other, Shape.of(3, 1, 36), Shape.of(5, 1)));
    }
    cases.add(
        product(BIAS_RELU, "batched", Shape.of(3, 5, 8), Shape.of(8, 40), Shape.of(3, 1, 40)));
    cases.add(
        product(RESIDUAL, "", Shape.of(4, 8), Shape.of(8, 5), Shape.of(5), Shape.of(4, 5))
            .differentiable());
    convolutions(cases);
  }

  private static void convolutions(List<OpCase> cases) {
    Window window = Window.of(3).padding(1);
    Shape image = Shape.of(2, 3, 9, 9);
    Shape weight = Shape.of(8, 3, 3, 3);
    Shape perChannel = Shape.of(8, 1, 1);
    cases.add(convolution(window, BIAS_RELU, image, weight, perChannel).differentiable());
    cases.add(convolution(window, BIAS_RELU, image, weight, Shape.of(9)));
    cases.add(convolution(window, RESIDUAL, image, weight, perChannel, Shape.of(2, 8, 9, 9)));
    cases.add(convolution(Window.of(3).stride(2), BIAS_RELU, image, weight, Shape.of(2, 8, 4, 4)));
    cases.add(convolution(window, BIAS_RELU, Shape.of(1, 3, 40, 40), weight, Shape.of(8, 1, 1)));
  }

  private static OpCase product(ScalarProgram program, String remark, Shape... shapes) {
    long depth = shapes[0].dim(-1);
    return opCase(new Epilogue(new MatMul(), 2, program), 2, depth, remark, shapes);
  }

  private static OpCase convolution(Window window, ScalarProgram program, Shape... shapes) {
    long depth = shapes[1].size() / shapes[1].dim(0);
    Epilogue op = new Epilogue(new Conv2d(window, 1), 2, program);
    return opCase(op, 2, depth, "", shapes);
  }

  /** The sums of absolute values bound the product; what is added to it is below 3. */
  private static OpCase opCase(
      Epilogue op, int operands, long depth, String remark, Shape... shapes) {
    List<Input> inputs = new ArrayList<>();
    for (Shape shape : shapes) {
      inputs.add(Input.of(DType.F32, shape, Values.signed()));
    }
    Tolerance tolerance =
        Tolerance.chain(
            5,
            depth,
            (exact, values) -> {
              List<HostArray> absolute = new ArrayList<>();
              values.subList(0, operands).forEach(array -> absolute.add(array.absolute()));
              HostArray bound = Oracle.run(op.product(), absolute).getFirst();
              double[] sizes = bound.values().clone();
              for (int i = 0; i < sizes.length; i++) {
                sizes[i] += 6;
              }
              return List.of(new HostArray(bound.spec(), sizes));
            });
    return OpCase.of(op, tolerance, remark, inputs.toArray(Input[]::new));
  }
}
