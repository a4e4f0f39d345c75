package io.quern.nn;

import static io.quern.nn.Naive.assertClose;
import static io.quern.nn.Naive.normal;
import static io.quern.nn.Naive.weight;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import org.junit.jupiter.api.Test;

class BatchNormTest {
  private static final double MOMENTUM = 0.3;
  private static final double EPSILON = 1e-3;

  private static Module norm() {
    Module norm = BatchNorm2d.of(3, EPSILON, MOMENTUM).to(DType.F64);
    norm.parameters().get("weight").copyFrom(normal(10, 3));
    norm.parameters().get("bias").copyFrom(normal(11, 3));
    norm.buffers().get("running_mean").copyFrom(normal(12, 3));
    norm.buffers().get("running_var").copyFrom(normal(13, 3).square());
    return norm;
  }

  /** Elements of one channel of a tensor [n, 3, rest] in the order of the batch. */
  private static double[] channel(Tensor input, int channel) {
    return input.transpose(0, 1).select(0, channel).toDoubleArray();
  }

  private static double mean(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum / values.length;
  }

  private static double squares(double[] values) {
    double mean = mean(values);
    double sum = 0;
    for (double value : values) {
      sum += (value - mean) * (value - mean);
    }
    return sum;
  }

  @Test
  void trainingNormalisesByTheBatchAndMovesTheRunningStatistics() {
    Module norm = norm();
    double[] w = weight(norm, "weight");
    double[] b = weight(norm, "bias");
    double[] meanBefore = weight(norm, "running_mean");
    double[] varianceBefore = weight(norm, "running_var");
    Tensor input = normal(1, 4, 3, 2, 5).mul(2).add(0.5);
    Tensor output = norm.forward(input, Mode.training(Rng.of(1)));
    for (int c = 0; c < 3; c++) {
      double[] x = channel(input, c);
      double mean = mean(x);
      double biased = squares(x) / 40;
      double[] expected = new double[40];
      for (int i = 0; i < 40; i++) {
        expected[i] = (x[i] - mean) / Math.sqrt(biased + EPSILON) * w[c] + b[c];
      }
      assertClose(output.transpose(0, 1).select(0, c), expected);
      assertThat(weight(norm, "running_mean")[c])
          .isCloseTo(0.7 * meanBefore[c] + 0.3 * mean, within(1e-14));
      assertThat(weight(norm, "running_var")[c])
          .isCloseTo(0.7 * varianceBefore[c] + 0.3 * squares(x) / 39, within(1e-14));
    }
    assertThat(norm.buffers().get("num_batches_tracked").toLongArray()).containsExactly(1);
  }

  @Test
  void inferenceUsesTheRunningStatisticsAndChangesNothing() {
    Module norm = norm();
    double[] w = weight(norm, "weight");
    double[] b = weight(norm, "bias");
    double[] mean = weight(norm, "running_mean");
    double[] variance = weight(norm, "running_var");
    Tensor input = normal(1, 1, 3, 1, 2);
    Tensor output = norm.forward(input);
    for (int c = 0; c < 3; c++) {
      double[] x = channel(input, c);
      double[] expected = new double[2];
      for (int i = 0; i < 2; i++) {
        expected[i] = (x[i] - mean[c]) / Math.sqrt(variance[c] + EPSILON) * w[c] + b[c];
      }
      assertClose(output.transpose(0, 1).select(0, c), expected);
    }
    assertThat(weight(norm, "running_mean")).isEqualTo(mean);
    assertThat(norm.buffers().get("num_batches_tracked").toLongArray()).containsExactly(0);
  }

  @Test
  void gradientsAreRightInBothModes() {
    Tensor weights = normal(3, 2, 3, 2, 2);
    FiniteDifferences.check(
        x -> norm().forward(x, Mode.training(Rng.of(1))).mul(weights).tanh().sum(),
        normal(2, 2, 3, 2, 2));
    FiniteDifferences.check(
        x -> norm().forward(x, Mode.INFERENCE).mul(weights).tanh().sum(), normal(2, 2, 3, 2, 2));
  }

  @Test
  void parametersGetGradients() {
    Module norm = norm();
    Tensor loss = norm.forward(normal(2, 4, 3, 1, 1), Mode.training(Rng.of(1))).square().sum();
    var gradients = loss.backward();
    norm.parameters().values().forEach(p -> assertThat(gradients.find(p)).isPresent());
  }

  @Test
  void oneDimensionalInputsMayHaveALength() {
    Module norm = BatchNorm1d.of(3).to(DType.F64);
    Tensor input = normal(1, 6, 3);
    Tensor output = norm.forward(input, Mode.training(Rng.of(1)));
    assertThat(output.mean(0).abs().max().item()).isLessThan(1e-14);
    Tensor longer = norm.forward(normal(1, 2, 3, 4), Mode.training(Rng.of(1)));
    assertThat(longer.mean(0, 2).abs().max().item()).isLessThan(1e-14);
  }

  @Test
  void wrongShapesAreNamed() {
    assertThatThrownBy(() -> BatchNorm2d.of(3).forward(Tensor.ones(2, 4, 5, 5)))
        .hasMessage(
            "BatchNorm2d: the input must be [n, c, h, w] with 3 channels, found [2, 4, 5, 5]");
    assertThatThrownBy(() -> BatchNorm1d.of(3).forward(Tensor.ones(2, 3, 5, 5)))
        .hasMessage(
            "BatchNorm1d: the input must be [n, c] or [n, c, length] with 3 channels, found"
                + " [2, 3, 5, 5]");
    assertThatThrownBy(() -> BatchNorm1d.of(3).forward(Tensor.ones(1, 3), Mode.training(Rng.of(1))))
        .hasMessage(
            "BatchNorm1d: training needs more than one value per channel, found shape [1, 3]");
    assertThat(BatchNorm1d.of(3).forward(Tensor.ones(1, 3)).size()).isEqualTo(3);
  }
}
