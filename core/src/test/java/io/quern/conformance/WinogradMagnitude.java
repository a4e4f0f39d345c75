package io.quern.conformance;

import io.quern.Shape;
import io.quern.op.Composite;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import java.util.Arrays;
import java.util.List;

/**
 * The size of what a convolution by Winograd's F(4x4, 3x3) at the points 0, 5/8, -5/8, 3/2, -3/2
 * and infinity sums up: all transforms, with absolute values of their matrices, of absolute values.
 * Each rounding is an error of at most epsilon times this (Barabasz et al., "Error analysis and
 * improving the accuracy of Winograd convolution for deep neural networks", 2020, theorem 2).
 */
final class WinogradMagnitude {
  /**
   * Roundings besides those of the sum over channels or tiles. One dimension of the pixels'
   * transform has at most 3 on any path, of the weights' 4, of the outputs' 4, of the weights'
   * gradient 4; each runs twice. The last one is the bias.
   */
  static final int ROUNDINGS = 2 * (3 + 4 + 4) + 1;

  private static final double[] POINTS = {0, 0.625, -0.625, 1.5, -1.5};

  /** |A'|, |B'| and |G|. */
  private static final double[][] OUTPUT = new double[4][6];

  private static final double[][] INPUT = new double[6][6];
  private static final double[][] WEIGHT = new double[6][3];

  static {
    for (int p = 0; p < 5; p++) {
      double scale = 1;
      double[] product = {1};
      for (int q = 0; q < 5; q++) {
        if (q != p) {
          scale *= POINTS[p] - POINTS[q];
          product = timesLinear(product, POINTS[q]);
        }
      }
      INPUT[p] = absolute(product, 6);
      for (int i = 0; i < 4; i++) {
        OUTPUT[i][p] = Math.pow(Math.abs(POINTS[p]), i);
      }
      for (int i = 0; i < 3; i++) {
        WEIGHT[p][i] = Math.pow(Math.abs(POINTS[p]), i) / Math.abs(scale);
      }
    }
    double[] product = {1};
    for (double point : POINTS) {
      product = timesLinear(product, point);
    }
    INPUT[5] = absolute(product, 6);
    OUTPUT[3][5] = 1;
    WEIGHT[5][2] = 1;
  }

  private WinogradMagnitude() {}

  /** Coefficients, lowest first, of a polynomial times {@code (x - root)}. */
  private static double[] timesLinear(double[] polynomial, double root) {
    double[] product = new double[polynomial.length + 1];
    for (int i = 0; i < polynomial.length; i++) {
      product[i + 1] += polynomial[i];
      product[i] -= root * polynomial[i];
    }
    return product;
  }

  private static double[] absolute(double[] values, int length) {
    double[] absolute = Arrays.copyOf(values, length);
    Arrays.setAll(absolute, i -> Math.abs(absolute[i]));
    return absolute;
  }

  static List<HostArray> of(Op op, List<HostArray> inputs) {
    if (op instanceof Composite composite) {
      return List.of(composite.decompose(new Parts(), inputs));
    }
    List<HostArray> sizes = inputs.stream().map(HostArray::absolute).toList();
    HostArray result = Oracle.run(op, sizes).getFirst();
    double[] values =
        switch (op) {
          case Conv2d conv ->
              forward(sizes.get(0), sizes.get(1), false, conv.window(), result.shape());
          case Conv2dInputGrad grad ->
              forward(sizes.get(1), sizes.get(0), true, turned(grad.window()), result.shape());
          case Conv2dWeightGrad grad -> weightGrad(sizes.get(0), sizes.get(1), grad.window());
          default -> throw new IllegalArgumentException(op.name());
        };
    if (inputs.size() == 3) {
      double[] bias = sizes.get(2).values();
      int plane = values.length / bias.length / (int) result.shape().dim(0);
      Arrays.setAll(values, i -> values[i] + bias[i / plane % bias.length]);
    }
    return List.of(new HostArray(result.spec(), values));
  }

  /** The sizes of a composite, by those of the convolution in it. */
  private record Parts() implements OpBuilder<HostArray> {
    @Override
    public HostArray apply(Op op, List<HostArray> inputs) {
      return (op instanceof Conv2d ? of(op, inputs) : Oracle.run(op, inputs)).getFirst();
    }

    @Override
    public TensorSpec spec(HostArray value) {
      return value.spec();
    }
  }

  /** Padding of the convolution that takes gradients of outputs to those of images. */
  private static Window turned(Window window) {
    return new Window(3, 3, 1, 1, 2 - window.padTop(), 2 - window.padLeft(), 0, 0, 1, 1);
  }

  private static double[] forward(
      HostArray images, HostArray weight, boolean turned, Window window, Shape output) {
    int c = images.shape().intDim(1);
    int oc = output.intDim(1);
    double[][] weights = new double[oc * c][];
    for (int i = 0; i < weights.length; i++) {
      double[] taps = new double[9];
      for (int tap = 0; tap < 9; tap++) {
        int at = turned ? (i % c * oc + i / c) * 9 + 8 - tap : i * 9 + tap;
        taps[tap] = weight.values()[at];
      }
      weights[i] = both(WEIGHT, taps);
    }
    double[] result = new double[Math.toIntExact(output.size())];
    Shape image = images.shape();
    for (int n = 0; n < image.dim(0); n++) {
      for (int y = 0; y < output.dim(2); y += 4) {
        for (int x = 0; x < output.dim(3); x += 4) {
          double[][] tiles = new double[c][];
          for (int i = 0; i < c; i++) {
            double[] pixels =
                patch(images, n * c + i, y - window.padTop(), x - window.padLeft(), 6);
            tiles[i] = both(INPUT, pixels);
          }
          for (int o = 0; o < oc; o++) {
            double[] sum = new double[36];
            for (int i = 0; i < c; i++) {
              addProduct(tiles[i], weights[o * c + i], sum);
            }
            put(both(OUTPUT, sum), result, output, n * oc + o, y, x);
          }
        }
      }
    }
    return result;
  }

  private static double[] weightGrad(HostArray images, HostArray gradients, Window window) {
    int c = images.shape().intDim(1);
    int oc = gradients.shape().intDim(1);
    double[][] sums = new double[oc * c][36];
    double[][] spread = transposed(OUTPUT);
    for (int n = 0; n < images.shape().dim(0); n++) {
      for (int y = 0; y < gradients.shape().dim(2); y += 4) {
        for (int x = 0; x < gradients.shape().dim(3); x += 4) {
          double[][] tiles = new double[oc][];
          for (int o = 0; o < oc; o++) {
            tiles[o] = both(spread, patch(gradients, n * oc + o, y, x, 4));
          }
          for (int i = 0; i < c; i++) {
            double[] pixels =
                patch(images, n * c + i, y - window.padTop(), x - window.padLeft(), 6);
            double[] tile = both(INPUT, pixels);
            for (int o = 0; o < oc; o++) {
              addProduct(tile, tiles[o], sums[o * c + i]);
            }
          }
        }
      }
    }
    double[][] back = transposed(WEIGHT);
    return Arrays.stream(sums).flatMapToDouble(s -> Arrays.stream(both(back, s))).toArray();
  }

  private static void addProduct(double[] x, double[] y, double[] sum) {
    for (int i = 0; i < sum.length; i++) {
      sum[i] += x[i] * y[i];
    }
  }

  /** A square of pixels, those outside of the image 0. */
  private static double[] patch(HostArray images, int plane, int y, int x, int size) {
    int h = images.shape().intDim(2);
    int w = images.shape().intDim(3);
    double[] patch = new double[size * size];
    for (int i = 0; i < patch.length; i++) {
      int row = y + i / size;
      int column = x + i % size;
      if (row >= 0 && row < h && column >= 0 && column < w) {
        patch[i] = images.values()[(plane * h + row) * w + column];
      }
    }
    return patch;
  }

  private static void put(double[] tile, double[] to, Shape shape, int plane, int y, int x) {
    for (int i = 0; i < tile.length; i++) {
      int row = y + i / 4;
      int column = x + i % 4;
      if (row < shape.dim(2) && column < shape.dim(3)) {
        to[(plane * shape.intDim(2) + row) * shape.intDim(3) + column] = tile[i];
      }
    }
  }

  private static double[][] transposed(double[][] matrix) {
    double[][] result = new double[matrix[0].length][matrix.length];
    for (int i = 0; i < result.length; i++) {
      for (int j = 0; j < matrix.length; j++) {
        result[i][j] = matrix[j][i];
      }
    }
    return result;
  }

  /** {@code matrix * square * matrix'}. */
  private static double[] both(double[][] matrix, double[] square) {
    int rows = matrix.length;
    int size = matrix[0].length;
    double[] half = new double[rows * size];
    double[] result = new double[rows * rows];
    for (int i = 0; i < half.length; i++) {
      for (int k = 0; k < size; k++) {
        half[i] += matrix[i / size][k] * square[k * size + i % size];
      }
    }
    for (int i = 0; i < result.length; i++) {
      for (int k = 0; k < size; k++) {
        result[i] += half[i / rows * size + k] * matrix[i % rows][k];
      }
    }
    return result;
  }
}
