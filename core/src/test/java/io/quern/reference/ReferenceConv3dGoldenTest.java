package io.quern.reference;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.conformance.HostArray;
import io.quern.conformance.Oracle;
import io.quern.op.Conv3d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** 3-D convolutions against loops over all indices, in whole numbers, whose sums are exact. */
class ReferenceConv3dGoldenTest {
  private static final Window PLANE = new Window(2, 3, 1, 2, 0, 1, 3, 2, 3, 1);

  static Stream<Arguments> settings() {
    return Stream.of(
        Arguments.of(Shape.of(1, 1, 3, 3, 3), 1, Window3d.of(2), 1),
        Arguments.of(Shape.of(2, 3, 4, 5, 6), 4, Window3d.of(3).padding(1), 1),
        Arguments.of(Shape.of(2, 2, 7, 6, 5), 3, Window3d.of(3).stride(2).padding(1), 1),
        Arguments.of(Shape.of(1, 2, 7, 6, 8), 3, Window3d.of(2).dilation(3), 1),
        Arguments.of(Shape.of(2, 4, 5, 6, 7), 6, Window3d.of(1, 2, 3), 2),
        Arguments.of(Shape.of(2, 3, 7, 6, 7), 5, new Window3d(3, 2, 2, 1, 2, PLANE), 1),
        Arguments.of(Shape.of(2, 6, 8, 6, 7), 9, new Window3d(2, 3, 0, 4, 3, PLANE), 3),
        Arguments.of(Shape.of(2, 3, 4, 5, 6), 6, new Window3d(3, 1, 3, 0, 1, PLANE), 3),
        Arguments.of(Shape.of(1, 2, 0, 5, 6), 3, new Window3d(2, 1, 1, 2, 1, PLANE), 1));
  }

  @ParameterizedTest
  @MethodSource("settings")
  void convolution(Shape volume, int filters, Window3d window, int groups) {
    SplittableRandom random = new SplittableRandom(5);
    Window plane = window.plane();
    HostArray x = whole(random, volume);
    HostArray weight =
        whole(
            random,
            Shape.of(
                filters,
                volume.dim(1) / groups,
                window.kernelD(),
                plane.kernelH(),
                plane.kernelW()));
    HostArray bias = whole(random, Shape.of(filters));
    Conv3d op = new Conv3d(window, groups);
    double[] without = direct(op, x, weight, new double[filters]);
    assertThat(without).isNotEmpty();
    assertThat(Oracle.run(op, List.of(x, weight)).getFirst().values()).containsExactly(without);
    assertThat(Oracle.run(op, List.of(x, weight, bias)).getFirst().values())
        .containsExactly(direct(op, x, weight, bias.values()));
  }

  private static HostArray whole(SplittableRandom random, Shape shape) {
    double[] values = random.ints(shape.size(), -9, 10).asDoubleStream().toArray();
    return new HostArray(new TensorSpec(DType.F64, shape), values);
  }

  private static int count(long size, int before, int after, int kernel, int dilation, int stride) {
    return ((int) size + before + after - dilation * (kernel - 1) - 1) / stride + 1;
  }

  private static double[] direct(Conv3d op, HostArray x, HostArray weight, double[] bias) {
    Window3d d = op.window();
    Window p = d.plane();
    int n = x.shape().intDim(0);
    int perGroup = weight.shape().intDim(1);
    int depth =
        count(x.shape().dim(2), d.padFront(), d.padBack(), d.kernelD(), d.dilationD(), d.strideD());
    int height =
        count(x.shape().dim(3), p.padTop(), p.padBottom(), p.kernelH(), p.dilationH(), p.strideH());
    int width =
        count(x.shape().dim(4), p.padLeft(), p.padRight(), p.kernelW(), p.dilationW(), p.strideW());
    double[] result = new double[n * bias.length * depth * height * width];
    int at = 0;
    for (int i = 0; i < n; i++) {
      for (int o = 0; o < bias.length; o++) {
        int first = o / (bias.length / op.groups()) * perGroup;
        for (int z = 0; z < depth; z++) {
          for (int y = 0; y < height; y++) {
            for (int column = 0; column < width; column++) {
              double sum = bias[o];
              for (int c = 0; c < perGroup; c++) {
                for (int kz = 0; kz < d.kernelD(); kz++) {
                  for (int ky = 0; ky < p.kernelH(); ky++) {
                    for (int kx = 0; kx < p.kernelW(); kx++) {
                      sum +=
                          element(weight, o, c, kz, ky, kx)
                              * element(
                                  x,
                                  i,
                                  first + c,
                                  z * d.strideD() - d.padFront() + kz * d.dilationD(),
                                  y * p.strideH() - p.padTop() + ky * p.dilationH(),
                                  column * p.strideW() - p.padLeft() + kx * p.dilationW());
                    }
                  }
                }
              }
              result[at++] = sum;
            }
          }
        }
      }
    }
    return result;
  }

  /** The element at a position, 0 outside. */
  private static double element(HostArray array, int... position) {
    int at = 0;
    for (int d = 0; d < position.length; d++) {
      int size = array.shape().intDim(d);
      if (position[d] < 0 || position[d] >= size) {
        return 0;
      }
      at = at * size + position[d];
    }
    return array.values()[at];
  }
}
