package io.quern.nn;

import static io.quern.nn.Naive.assertClose;
import static io.quern.nn.Naive.normal;
import static io.quern.nn.Naive.weight;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers against loops that are written independently of them, in double precision. */
class LayersTest {
  // ---- linear -----------------------------------------------------------------------------

  @Test
  void linearIsTheMatrixTimesTheVectorPlusTheBias() {
    Module linear = Linear.of(3, 2, Rng.of(1)).to(DType.F64);
    double[] w = weight(linear, "weight");
    double[] b = weight(linear, "bias");
    Tensor input = normal(2, 2, 4, 3);
    double[] x = input.toDoubleArray();
    double[] expected = new double[8 * 2];
    for (int row = 0; row < 8; row++) {
      for (int o = 0; o < 2; o++) {
        double sum = b[o];
        for (int i = 0; i < 3; i++) {
          sum += x[row * 3 + i] * w[o * 3 + i];
        }
        expected[row * 2 + o] = sum;
      }
    }
    assertClose(linear.forward(input), expected);
    assertThat(linear.forward(input).shape()).isEqualTo(Shape.of(2, 4, 2));
    assertThat(linear.forward(normal(2, 3)).shape()).isEqualTo(Shape.of(2));
    assertThat(linear.forward(Tensor.zeros(0, 3).to(DType.F64)).shape()).isEqualTo(Shape.of(0, 2));
  }

  @Test
  void linearGradientsAreRight() {
    Module linear = Linear.of(3, 2, Rng.of(1)).to(DType.F64);
    Tensor weights = normal(3, 2, 4, 2);
    FiniteDifferences.check(
        x -> linear.forward(x, Mode.INFERENCE).tanh().mul(weights).sum(), normal(2, 2, 4, 3));
  }

  @Test
  void linearNamesTheWrongShape() {
    assertThatThrownBy(() -> Linear.of(3, 2, Rng.of(1)).forward(Tensor.ones(4, 5)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("linear: the input must have shape [.., 3], found [4, 5]");
    assertThatThrownBy(() -> Linear.of(0, 2, Rng.of(1)))
        .hasMessage("linear: in must be 1 or more, found 0");
  }

  @Test
  void initialWeightsFillTheKaimingRange() {
    Linear linear = Linear.of(100, 200, Rng.of(1));
    double[] w = weight(linear, "weight");
    assertThat(Arrays.stream(w).max().orElseThrow()).isBetween(0.0999, 0.1);
    assertThat(Arrays.stream(w).min().orElseThrow()).isBetween(-0.1, -0.0999);
    // A uniform distribution in +-b has variance b^2 / 3; five standard errors of it.
    double variance = Arrays.stream(w).map(x -> x * x).average().orElseThrow();
    assertThat(variance).isCloseTo(0.01 / 3, within(5 * 0.01 * Math.sqrt(4 / 45.0 / w.length)));
    assertThat(Arrays.stream(weight(linear, "bias")).map(Math::abs).max().orElseThrow())
        .isBetween(0.09, 0.1);
    double[] conv = weight(Conv2d.of(8, 16, Window.of(3), 2, true, Rng.of(1)), "weight");
    assertThat(Arrays.stream(conv).map(Math::abs).max().orElseThrow()).isBetween(0.99 / 6, 1.0 / 6);
  }

  // ---- convolution and pooling ------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "3, 1, 0, 1, 1, true",
    "3, 1, 1, 1, 1, true",
    "3, 2, 1, 1, 2, true",
    "2, 1, 2, 2, 4, false",
    "1, 3, 0, 1, 1, false",
    "3, 2, 3, 2, 2, true"
  })
  void conv2dIsTheCrossCorrelation(
      int kernel, int stride, int padding, int dilation, int groups, boolean bias) {
    Window window = Window.of(kernel).stride(stride).padding(padding).dilation(dilation);
    Module conv = Conv2d.of(4, 8, window, groups, bias, Rng.of(1)).to(DType.F64);
    Tensor input = normal(2, 2, 4, 7, 6);
    Tensor output = conv.forward(input);
    double[] w = weight(conv, "weight");
    int oh = (7 + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    int ow = (6 + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    assertThat(output.shape()).isEqualTo(Shape.of(2, 8, oh, ow));
    double[] expected = new double[2 * 8 * oh * ow];
    for (int at = 0; at < expected.length; at++) {
      int n = at / (8 * oh * ow);
      int o = at / (oh * ow) % 8;
      int y = at / ow % oh;
      int x = at % ow;
      double sum = bias ? weight(conv, "bias")[o] : 0;
      int perGroup = 4 / groups;
      for (int c = 0; c < perGroup; c++) {
        for (int ky = 0; ky < kernel; ky++) {
          for (int kx = 0; kx < kernel; kx++) {
            int iy = y * stride - padding + ky * dilation;
            int ix = x * stride - padding + kx * dilation;
            if (iy >= 0 && iy < 7 && ix >= 0 && ix < 6) {
              int channel = o / (8 / groups) * perGroup + c;
              sum +=
                  input.get(n, channel, iy, ix)
                      * w[((o * perGroup + c) * kernel + ky) * kernel + kx];
            }
          }
        }
      }
      expected[at] = sum;
    }
    assertClose(output, expected);
  }

  @ParameterizedTest
  @CsvSource({"3, 1, 0, 1, 1, 0", "3, 2, 1, 1, 2, 1", "2, 3, 0, 2, 4, 2", "1, 1, 0, 1, 1, 0"})
  void convTranspose2dSpreadsEachPixel(
      int kernel, int stride, int padding, int dilation, int groups, int outputPad) {
    Window window = Window.of(kernel).stride(stride).padding(padding).dilation(dilation);
    var op = new io.quern.op.ConvTranspose2d(window, groups, outputPad, 0);
    Module conv = ConvTranspose2d.of(4, 8, op, true, Rng.of(1)).to(DType.F64);
    Tensor input = normal(2, 2, 4, 5, 3);
    Tensor output = conv.forward(input);
    int oh = 4 * stride - 2 * padding + dilation * (kernel - 1) + outputPad + 1;
    int ow = 2 * stride - 2 * padding + dilation * (kernel - 1) + 1;
    assertThat(output.shape()).isEqualTo(Shape.of(2, 8, oh, ow));
    double[] w = weight(conv, "weight");
    double[] expected = new double[2 * 8 * oh * ow];
    for (int i = 0; i < expected.length; i++) {
      expected[i] = weight(conv, "bias")[i / (oh * ow) % 8];
    }
    int perGroup = 8 / groups;
    for (int at = 0; at < 2 * 4 * 5 * 3 * perGroup * kernel * kernel; at++) {
      int kx = at % kernel;
      int ky = at / kernel % kernel;
      int o = at / (kernel * kernel) % perGroup;
      int pixel = at / (kernel * kernel * perGroup);
      int c = pixel / 15 % 4;
      int y = pixel / 3 % 5 * stride - padding + ky * dilation;
      int x = pixel % 3 * stride - padding + kx * dilation;
      if (y >= 0 && y < oh && x >= 0 && x < ow) {
        int channel = pixel / 60 * 8 + c / (4 / groups) * perGroup + o;
        expected[(channel * oh + y) * ow + x] +=
            input.get(pixel / 60, c, pixel / 3 % 5, pixel % 3)
                * w[((c * perGroup + o) * kernel + ky) * kernel + kx];
      }
    }
    assertClose(output, expected);
  }

  @Test
  void conv1dIsTheCrossCorrelationOfSequences() {
    Module conv =
        Conv1d.builder(4, 6, 3).stride(2).padding(2).dilation(2).groups(2).build(Rng.of(1));
    conv.to(DType.F64);
    Tensor input = normal(2, 2, 4, 9);
    Tensor output = conv.forward(input);
    assertThat(output.shape()).isEqualTo(Shape.of(2, 6, 5));
    double[] w = weight(conv, "weight");
    double[] expected = new double[2 * 6 * 5];
    for (int at = 0; at < expected.length; at++) {
      int o = at / 5 % 6;
      expected[at] = weight(conv, "bias")[o];
      for (int c = 0; c < 2; c++) {
        for (int k = 0; k < 3; k++) {
          int i = at % 5 * 2 - 2 + k * 2;
          if (i >= 0 && i < 9) {
            expected[at] += input.get(at / 30, o / 3 * 2 + c, i) * w[(o * 2 + c) * 3 + k];
          }
        }
      }
    }
    assertClose(output, expected);
    assertThatThrownBy(() -> conv.forward(normal(2, 2, 3, 9)))
        .hasMessage("conv1d: the input must be [n, 4, length], found [2, 3, 9]");
    assertThatThrownBy(() -> Conv1d.builder(4, 6, 3).groups(4))
        .hasMessage("conv1d: 4 groups do not divide 4 input and 6 output channels");
  }

  @Test
  void conv3dIsTheCrossCorrelationOfVolumes() {
    Window plane = new Window(3, 2, 2, 1, 1, 0, 1, 2, 1, 2);
    Window3d window = new Window3d(2, 1, 1, 2, 2, plane);
    Module conv = Conv3d.of(4, 6, window, 2, true, Rng.of(1)).to(DType.F64);
    Tensor input = normal(2, 2, 4, 3, 5, 6);
    Tensor output = conv.forward(input);
    assertThat(output.shape()).isEqualTo(Shape.of(2, 6, 4, 3, 6));
    double[] w = weight(conv, "weight");
    double[] expected = new double[2 * 6 * 4 * 3 * 6];
    for (int at = 0; at < expected.length; at++) {
      int o = at / 72 % 6;
      expected[at] = weight(conv, "bias")[o];
      for (int tap = 0; tap < 2 * 2 * 3 * 2; tap++) {
        int z = at / 18 % 4 - 1 + tap / 6 % 2 * 2;
        int y = at / 6 % 3 * 2 - 1 + tap / 2 % 3;
        int x = at % 6 + tap % 2 * 2;
        if (z >= 0 && z < 3 && y >= 0 && y < 5 && x < 6) {
          expected[at] += input.get(at / 432, o / 3 * 2 + tap / 12, z, y, x) * w[o * 24 + tap];
        }
      }
    }
    assertClose(output, expected);
    assertThatThrownBy(() -> conv.forward(normal(2, 2, 6, 3, 5, 6)))
        .hasMessage(
            "conv3d: the input must be [n, 4, depth, height, width], found [2, 6, 3, 5, 6]");
    assertThatThrownBy(() -> Conv3d.of(4, 6, window, 4, true, Rng.of(1)))
        .hasMessage("conv3d: 4 groups do not divide 4 input and 6 output channels");
    assertThat(Conv3d.of(4, 6, window, 2, false, Rng.of(1)).parameters())
        .containsOnlyKeys("weight");
    double[] fresh = weight(Conv3d.of(9, 16, 3, Rng.of(1)), "weight");
    double bound = 1 / Math.sqrt(9 * 27);
    assertThat(Arrays.stream(fresh).map(Math::abs).max().orElseThrow())
        .isBetween(0.99 * bound, bound);
  }

  @Test
  void groupAndRmsNormAreTheFormulas() {
    Module group = GroupNorm.of(2, 4, 0.25).to(DType.F64);
    group.parameters().get("weight").copyFrom(normal(3, 4));
    group.parameters().get("bias").copyFrom(normal(4, 4));
    Tensor x = normal(2, 3, 4, 5);
    double[] expected = new double[60];
    for (int row = 0; row < 6; row++) {
      double[] values = Arrays.copyOfRange(x.toDoubleArray(), row * 10, row * 10 + 10);
      double mean = Arrays.stream(values).average().orElseThrow();
      double variance =
          Arrays.stream(values).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
      for (int i = 0; i < 10; i++) {
        int channel = row % 2 * 2 + i / 5;
        expected[row * 10 + i] =
            (values[i] - mean) / Math.sqrt(variance + 0.25) * weight(group, "weight")[channel]
                + weight(group, "bias")[channel];
      }
    }
    assertClose(group.forward(x), expected);
    Module rms = RmsNorm.of(Shape.of(5), 0.25).to(DType.F64);
    rms.parameters().get("weight").copyFrom(normal(5, 5));
    for (int row = 0; row < 12; row++) {
      double[] values = Arrays.copyOfRange(x.toDoubleArray(), row * 5, row * 5 + 5);
      double squares = Arrays.stream(values).map(v -> v * v).average().orElseThrow();
      for (int i = 0; i < 5; i++) {
        expected[row * 5 + i] = values[i] / Math.sqrt(squares + 0.25) * weight(rms, "weight")[i];
      }
    }
    assertClose(rms.forward(x), expected);
  }

  @Test
  void inputsThatDoNotFitTheWeightsAreNamed() {
    Conv2d conv = Conv2d.of(3, 4, 3, Rng.of(1));
    for (Shape shape : List.of(Shape.of(1, 2, 8, 8), Shape.of(3, 8, 8))) {
      assertThatThrownBy(() -> conv.forward(Tensor.ones(shape.toArray())))
          .hasMessage("conv2d: the input must be [n, 3, height, width], found " + shape);
    }
    for (Shape shape : List.of(Shape.of(2, 3), Shape.scalar())) {
      assertThatThrownBy(() -> LayerNorm.of(4).forward(Tensor.ones(shape.toArray())))
          .hasMessage("layer_norm: the last dimensions of the input must be [4], found " + shape);
    }
  }

  @Test
  void conv2dRefusesGroupsThatDoNotDivide() {
    assertThatThrownBy(() -> Conv2d.of(4, 6, Window.of(1), 4, true, Rng.of(1)))
        .hasMessage("conv2d: 4 groups do not divide 4 input and 6 output channels");
  }

  @Test
  void maxPoolingTakesTheLargestOfEachWindow() {
    Tensor input = Tensor.of(new float[] {1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -3}, 1, 1, 3, 4);
    assertThat(MaxPool2d.of(2).forward(input).toFloatArray()).containsExactly(6, 8);
    Module overlapping = MaxPool2d.of(Window.of(3).stride(1).padding(1));
    assertThat(overlapping.forward(input.neg()).toFloatArray())
        .containsExactly(-1, -1, -2, -3, 1, 2, 3, 3, 1, 2, 3, 3);
  }

  @Test
  void averagePoolingCountsPaddingOrNot() {
    Tensor input = Tensor.of(new float[] {4, 8, 12, 16}, 1, 1, 2, 2);
    assertThat(AvgPool2d.of(2).forward(input).toFloatArray()).containsExactly(10);
    Window padded = Window.of(2).stride(2).padding(1);
    assertThat(AvgPool2d.of(padded, true).forward(input).toFloatArray())
        .containsExactly(1, 2, 3, 4);
    assertThat(AvgPool2d.of(padded, false).forward(input).toFloatArray())
        .containsExactly(4, 8, 12, 16);
  }

  // ---- normalisation ----------------------------------------------------------------------

  @Test
  void layerNormNormalisesEachExample() {
    Module norm = LayerNorm.of(2, 3).to(DType.F64);
    norm.parameters().get("weight").copyFrom(normal(5, 2, 3));
    norm.parameters().get("bias").copyFrom(normal(6, 2, 3));
    Tensor input = normal(4, 4, 2, 3).mul(3).add(1);
    double[] x = input.toDoubleArray();
    double[] w = weight(norm, "weight");
    double[] b = weight(norm, "bias");
    double[] expected = new double[24];
    for (int n = 0; n < 4; n++) {
      double[] row = Arrays.copyOfRange(x, n * 6, n * 6 + 6);
      double mean = Arrays.stream(row).average().orElseThrow();
      double variance = Arrays.stream(row).map(v -> (v - mean) * (v - mean)).sum() / 6;
      for (int i = 0; i < 6; i++) {
        expected[n * 6 + i] = (row[i] - mean) / Math.sqrt(variance + 1e-5) * w[i] + b[i];
      }
    }
    assertClose(norm.forward(input), expected);
    FiniteDifferences.check(
        t -> norm.forward(t, Mode.INFERENCE).square().sum(), normal(7, 2, 2, 3));
  }

  // ---- dropout and embedding --------------------------------------------------------------

  @Test
  void dropoutZeroesTheShareAndScalesTheRest() {
    Tensor input = Tensor.full(2, DType.F32, io.quern.Device.cpu(), 10_000);
    float[] output = Dropout.of(0.2).forward(input, Mode.training(Rng.of(1))).toFloatArray();
    int zeros = 0;
    for (float value : output) {
      assertThat(value).isIn(0f, 2.5f);
      zeros += value == 0 ? 1 : 0;
    }
    // Five standard deviations of a binomial distribution.
    assertThat(zeros).isCloseTo(2000, within((int) (5 * Math.sqrt(10_000 * 0.2 * 0.8))));
    assertThat(Dropout.of(0.2).forward(input, Mode.INFERENCE)).isSameAs(input);
    assertThat(Dropout.of(0).forward(input, Mode.training(Rng.of(1)))).isSameAs(input);
  }

  @Test
  void dropoutFollowsItsRandomNumbersAndItsGradientPassesWhereItDid() {
    Tensor input = Tensor.ones(4, 5).requireGrad();
    Tensor first = Dropout.of(0.5).forward(input, Mode.training(Rng.of(3)));
    Tensor again = Dropout.of(0.5).forward(input, Mode.training(Rng.of(3)));
    Tensor other = Dropout.of(0.5).forward(input, Mode.training(Rng.of(4)));
    assertThat(first.toByteArray()).isEqualTo(again.toByteArray());
    assertThat(first.toByteArray()).isNotEqualTo(other.toByteArray());
    assertThat(first.sum().backward().get(input).toFloatArray()).isEqualTo(first.toFloatArray());
    assertThatThrownBy(() -> Dropout.of(1)).hasMessageContaining("dropout: p must be at least 0.0");
  }

  @Test
  void embeddingLooksUpRowsAndAddsUpTheirGradients() {
    Module embedding = Embedding.of(5, 3, Rng.of(1));
    Tensor table = embedding.parameters().get("weight");
    Tensor output = embedding.forward(Tensor.of(new long[] {4, 0, 4, 2}, 2, 2), Mode.INFERENCE);
    assertThat(output.shape()).isEqualTo(Shape.of(2, 2, 3));
    assertThat(output.select(0, 1).select(0, 0).toFloatArray())
        .isEqualTo(table.select(0, 4).toFloatArray());
    float[] gradient = output.sum().backward().get(table).toFloatArray();
    assertThat(gradient).containsExactly(1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 2, 2, 2);
    assertThat(embedding.forward(Tensor.of(new int[] {1})).shape()).isEqualTo(Shape.of(1, 3));
    assertThatThrownBy(() -> embedding.forward(Tensor.of(new long[] {5})))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("index 5 is out of range, expected 0 to 4");
  }

  // ---- activations ------------------------------------------------------------------------

  static Stream<Arguments> activations() {
    DoubleUnaryOperator logistic = x -> 1 / (1 + Math.exp(-x));
    return Stream.of(
        activation(new Relu(), x -> Math.max(x, 0)),
        activation(new Silu(), x -> x * logistic.applyAsDouble(x)),
        activation(new Tanh(), Math::tanh),
        activation(new Sigmoid(), logistic),
        activation(new Softplus(), x -> Math.log1p(Math.exp(x))),
        activation(LeakyRelu.of(), x -> x > 0 ? x : 0.01 * x),
        activation(LeakyRelu.of(0.3), x -> x > 0 ? x : 0.3 * x),
        activation(Elu.of(), x -> x > 0 ? x : Math.expm1(x)),
        activation(Elu.of(0.5), x -> x > 0 ? x : 0.5 * Math.expm1(x)));
  }

  private static Arguments activation(Module module, DoubleUnaryOperator function) {
    return Arguments.of(module, function);
  }

  @ParameterizedTest
  @MethodSource("activations")
  void activationsAreTheirFormulas(Module module, DoubleUnaryOperator function) {
    Tensor input = normal(1, 31).mul(2);
    assertClose(
        module.forward(input), Arrays.stream(input.toDoubleArray()).map(function).toArray());
    FiniteDifferences.check(x -> module.forward(x, Mode.INFERENCE).square().sum(), input);
  }

  @Test
  void geluHasItsPublishedValues() {
    Tensor input = Tensor.of(new double[] {-1, 0, 1, 2});
    double[] found = new Gelu().forward(input).toDoubleArray();
    assertThat(found[0]).isCloseTo(-0.15865525393145707, within(1e-15));
    assertThat(found[1]).isZero();
    assertThat(found[2]).isCloseTo(0.8413447460685429, within(1e-15));
    assertThat(found[3]).isCloseTo(1.9544997361036416, within(1e-15));
    FiniteDifferences.check(x -> new Gelu().forward(x, Mode.INFERENCE).sum(), normal(1, 9));
  }

  @Test
  void largeInputsDoNotMakeNanGradients() {
    for (Module module : new Module[] {Elu.of(), new Silu(), new Softplus(), new Sigmoid()}) {
      Tensor input = Tensor.of(new float[] {-1000, 0, 1000}).requireGrad();
      float[] gradient =
          module.forward(input, Mode.INFERENCE).sum().backward().get(input).toFloatArray();
      for (float value : gradient) {
        assertThat(value).as(module.toString()).isFinite();
      }
    }
    Tensor zero = Tensor.of(new float[] {0}).requireGrad();
    Tensor elu = Elu.of(2).forward(zero, Mode.INFERENCE);
    assertThat(elu.sum().backward().get(zero).item()).isEqualTo(2);
  }

  @Test
  void softmaxSumsToOneAlongItsAxis() {
    Tensor input = normal(1, 3, 4);
    Tensor last = Softmax.of().forward(input);
    for (int i = 0; i < 3; i++) {
      double total = 0;
      for (int j = 0; j < 4; j++) {
        total += Math.exp(input.get(i, j));
      }
      for (int j = 0; j < 4; j++) {
        assertThat(last.get(i, j)).isCloseTo(Math.exp(input.get(i, j)) / total, within(1e-14));
      }
    }
    double[] sums = Softmax.of(0).forward(input).sum(0).toDoubleArray();
    for (double sum : sums) {
      assertThat(sum).isCloseTo(1, within(1e-14));
    }
  }

  @Test
  void flattenKeepsTheLeadingDimensions() {
    assertThat(Flatten.of().forward(Tensor.ones(2, 3, 4, 5)).shape()).isEqualTo(Shape.of(2, 60));
    assertThat(Flatten.of(2).forward(Tensor.ones(2, 3, 4, 5)).shape())
        .isEqualTo(Shape.of(2, 3, 20));
  }
}
