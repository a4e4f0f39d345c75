package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** A convolution that sees earlier inputs only. All numbers are exact, but for activations. */
class CausalConvTest {
  private static final int BATCH = 2;
  private static final int CHANNELS = 3;

  /** Multiples of 1/4 between -2 and 2. */
  private static double[] numbers(int count, int seed) {
    double[] numbers = new double[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = ((i * 7 + seed * 5) % 17 - 8) / 4.0;
    }
    return numbers;
  }

  /** The inputs of one row, after those of earlier calls. */
  private static double at(double[] x, double @Nullable [] past, int row, int kernel, int i) {
    int length = x.length / (BATCH * CHANNELS);
    return i >= 0
        ? x[row * length + i]
        : past == null ? 0 : past[row * (kernel - 1) + kernel - 1 + i];
  }

  private static double[] outputs(
      double[] x, double[] weight, double @Nullable [] bias, double @Nullable [] past) {
    int length = x.length / (BATCH * CHANNELS);
    int kernel = weight.length / CHANNELS;
    double[] y = new double[x.length];
    for (int row = 0; row < BATCH * CHANNELS; row++) {
      int channel = row % CHANNELS;
      for (int i = 0; i < length; i++) {
        double sum = bias == null ? 0 : bias[channel];
        for (int k = 0; k < kernel; k++) {
          sum += weight[channel * kernel + k] * at(x, past, row, kernel, i - kernel + 1 + k);
        }
        y[row * length + i] = sum;
      }
    }
    return y;
  }

  private static double[] state(double[] x, double @Nullable [] past, int kernel) {
    int length = x.length / (BATCH * CHANNELS);
    double[] state = new double[BATCH * CHANNELS * (kernel - 1)];
    for (int i = 0; i < state.length; i++) {
      int row = i / (kernel - 1);
      state[i] = at(x, past, row, kernel, length - kernel + 1 + i % (kernel - 1));
    }
    return state;
  }

  private static OneNode node(
      DType dtype,
      double[] x,
      double[] weight,
      double @Nullable [] bias,
      double @Nullable [] past) {
    int kernel = weight.length / CHANNELS;
    OneNode node =
        new OneNode("CausalConvWithState", 27)
            .in(Tensor.of(x, BATCH, CHANNELS, x.length / (BATCH * CHANNELS)).to(dtype))
            .in(Tensor.of(weight, CHANNELS, 1, kernel).to(dtype));
    node = bias == null ? node.none() : node.in(Tensor.of(bias).to(dtype));
    node = past == null ? node : node.in(Tensor.of(past, BATCH, CHANNELS, kernel - 1).to(dtype));
    return node.outputs(2);
  }

  @Test
  void outputsSeeEarlierInputsOnly() {
    for (DType dtype : new DType[] {DType.F32, DType.F16}) {
      for (int kernel = 1; kernel <= 4; kernel++) {
        for (int length : new int[] {1, 2, 9}) {
          double[] x = numbers(BATCH * CHANNELS * length, 1);
          double[] weight = numbers(CHANNELS * kernel, 2);
          double[] bias = numbers(CHANNELS, 3);
          double[] past = numbers(BATCH * CHANNELS * (kernel - 1), 4);
          OneNode alone = node(dtype, x, weight, null, null);
          alone.isNear(0, dtype, 0, outputs(x, weight, null, null));
          alone.isNear(1, dtype, 0, state(x, null, kernel));
          OneNode later = node(dtype, x, weight, bias, past);
          later.isNear(0, dtype, 0, outputs(x, weight, bias, past));
          later.isNear(1, dtype, 0, state(x, past, kernel));
        }
      }
    }
  }

  @Test
  void activationsComeLast() {
    double[] x = numbers(BATCH * CHANNELS * 5, 1);
    double[] weight = numbers(CHANNELS * 3, 2);
    double[] y = outputs(x, weight, null, null);
    for (int i = 0; i < y.length; i++) {
      y[i] /= 1 + Math.exp(-y[i]);
    }
    for (String activation : new String[] {"silu", "swish"}) {
      node(DType.F32, x, weight, null, null)
          .text("activation", activation)
          .isNear(0, DType.F32, 8 * DType.F32.epsilon(), y);
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    double[] x = numbers(BATCH * CHANNELS * 5, 1);
    double[] weight = numbers(CHANNELS * 3, 2);
    assertThatThrownBy(
            () -> node(DType.F32, x, weight, null, null).text("activation", "relu").both(0))
        .hasMessageContaining("activation must be none, silu or swish, found 'relu'");
    OneNode wide =
        new OneNode("CausalConvWithState", 27)
            .in(Tensor.ones(2, 3, 4))
            .in(Tensor.ones(3, 2, 2))
            .outputs(2);
    assertThatThrownBy(() -> wide.both(0))
        .hasMessageContaining("a weight of [channels, 1, kernel], found [2, 3, 4] and [3, 2, 2]");
    OneNode past =
        new OneNode("CausalConvWithState", 27)
            .in(Tensor.ones(2, 3, 4))
            .in(Tensor.ones(3, 1, 2))
            .none()
            .in(Tensor.zeros(Shape.of(2, 3, 2).toArray()))
            .outputs(2);
    assertThatThrownBy(() -> past.both(0))
        .hasMessageContaining("past_state must be of shape [2, 3, 1], found [2, 3, 2]");
  }
}
