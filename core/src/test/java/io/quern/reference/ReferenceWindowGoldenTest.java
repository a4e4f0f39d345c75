package io.quern.reference;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.conformance.HostArray;
import io.quern.conformance.Oracle;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Window;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Convolutions and pooling of the reference backend against numbers worked out by hand. */
class ReferenceWindowGoldenTest {
  private static final HostArray IMAGE =
      image(
          3, 3, //
          1, 2, 3, //
          4, 5, 6, //
          7, 8, 9);

  private static HostArray image(int height, int width, double... values) {
    return HostArray.of(
        DType.F32, Shape.of(1, values.length / height / width, height, width), values);
  }

  private static double[] run(Op op, HostArray... inputs) {
    return Oracle.run(op, List.of(inputs)).getFirst().values();
  }

  @Test
  void convolution() {
    HostArray weight = image(2, 2, 1, 10, 100, 1000);
    assertThat(run(new Conv2d(Window.of(2), 1), IMAGE, weight))
        .containsExactly(5421, 6532, 8754, 9865);
    HostArray bias = HostArray.of(DType.F32, Shape.of(1), 0.5);
    assertThat(run(new Conv2d(Window.of(2).stride(2), 1), IMAGE, weight, bias))
        .containsExactly(5421.5);
    assertThat(run(new Conv2d(Window.of(2).stride(3).padding(1), 1), IMAGE, weight))
        .containsExactly(1000, 300, 70, 9);
    assertThat(run(new Conv2d(Window.of(2).dilation(2), 1), IMAGE, weight)).containsExactly(9731);
  }

  @Test
  void convolutionPadsEachSideOnItsOwn() {
    Window window = new Window(2, 1, 1, 1, 1, 0, 0, 2, 1, 1);
    HostArray weight = HostArray.of(DType.F32, Shape.of(1, 1, 2, 1), 1, 10);
    assertThat(run(new Conv2d(window, 1), image(2, 1, 3, 4), weight))
        .containsExactly(30, 0, 0, 43, 0, 0);
  }

  @Test
  void convolutionInGroups() {
    HostArray twoChannels = image(1, 2, 1, 2, 3, 4);
    HostArray weight = HostArray.of(DType.F32, Shape.of(2, 1, 1, 1), 10, 100);
    assertThat(run(new Conv2d(Window.of(1), 2), twoChannels, weight))
        .containsExactly(10, 20, 300, 400);
    HostArray full = HostArray.of(DType.F32, Shape.of(1, 2, 1, 1), 10, 100);
    assertThat(run(new Conv2d(Window.of(1), 1), twoChannels, full)).containsExactly(310, 420);
  }

  @Test
  void convolutionGradients() {
    HostArray weight = image(2, 2, 1, 10, 100, 1000);
    HostArray gradient = image(2, 2, 1, 2, 3, 4);
    // Each gradient adds the filter, scaled, under its window.
    assertThat(run(new Conv2dInputGrad(Window.of(2), 1, IMAGE.shape()), weight, gradient))
        .containsExactly(1, 12, 20, 103, 1234, 2040, 300, 3400, 4000);
    assertThat(run(new Conv2dWeightGrad(Window.of(2), 1), IMAGE, gradient))
        .containsExactly(
            1 + 2 * 2 + 3 * 4 + 4 * 5,
            2 + 2 * 3 + 3 * 5 + 4 * 6,
            4 + 2 * 5 + 3 * 7 + 4 * 8,
            5 + 2 * 6 + 3 * 8 + 4 * 9);
    // With stride 2 the last row and column lie under no window.
    HostArray one = image(1, 1, 2);
    assertThat(run(new Conv2dInputGrad(Window.of(2).stride(2), 1, IMAGE.shape()), weight, one))
        .containsExactly(2, 20, 0, 200, 2000, 0, 0, 0, 0);
    HostArray padded = image(2, 2, 1, 2, 3, 4);
    Window window = Window.of(2).stride(3).padding(1);
    assertThat(run(new Conv2dInputGrad(window, 1, IMAGE.shape()), weight, padded))
        .containsExactly(1000, 0, 200, 0, 0, 0, 30, 0, 4);
    assertThat(run(new Conv2dWeightGrad(window, 1), IMAGE, padded))
        .containsExactly(4 * 9, 3 * 7, 2 * 3, 1);
  }

  @Test
  void pooling() {
    Window window = Window.of(2);
    assertThat(run(new Pool2d(Pool2d.Fn.MAX, window, true), IMAGE)).containsExactly(5, 6, 8, 9);
    assertThat(run(new Pool2d(Pool2d.Fn.AVG, window, true), IMAGE)).containsExactly(3, 4, 6, 7);
    Window padded = Window.of(2).stride(2).padding(1);
    assertThat(run(new Pool2d(Pool2d.Fn.MAX, padded, true), image(2, 2, -1, -2, -3, -4)))
        .containsExactly(-1, -2, -3, -4);
    assertThat(run(new Pool2d(Pool2d.Fn.AVG, padded, true), image(2, 2, 4, 8, 12, 16)))
        .containsExactly(1, 2, 3, 4);
    assertThat(run(new Pool2d(Pool2d.Fn.AVG, padded, false), image(2, 2, 4, 8, 12, 16)))
        .containsExactly(4, 8, 12, 16);
  }

  @Test
  void poolingGradients() {
    HostArray gradient = image(2, 2, 1, 2, 3, 4);
    Pool2d max = new Pool2d(Pool2d.Fn.MAX, Window.of(2), true);
    assertThat(run(new Pool2dGrad(max), IMAGE, gradient))
        .containsExactly(0, 0, 0, 0, 1, 2, 0, 3, 4);
    // Of equal elements the first one in row-major order gets it.
    assertThat(run(new Pool2dGrad(max), image(3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5), gradient))
        .containsExactly(1, 2, 0, 3, 4, 0, 0, 0, 0);
    double nan = Double.NaN;
    assertThat(run(new Pool2dGrad(max), image(2, 2, 1, nan, nan, 9), image(1, 1, 7)))
        .containsExactly(0, 7, 0, 0);
    Pool2d average = new Pool2d(Pool2d.Fn.AVG, Window.of(2), true);
    assertThat(run(new Pool2dGrad(average), IMAGE, image(2, 2, 4, 8, 12, 16)))
        .containsExactly(1, 3, 2, 4, 10, 6, 3, 7, 4);
    Pool2d padded = new Pool2d(Pool2d.Fn.AVG, Window.of(2).stride(2).padding(1), false);
    assertThat(run(new Pool2dGrad(padded), image(2, 2, 0, 0, 0, 0), gradient))
        .containsExactly(1, 2, 3, 4);
  }
}
