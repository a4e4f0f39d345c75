package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Attention of ai.onnx gives what its specification says, for one head of size 2 and values of size
 * 1, computed in double precision.
 */
class AttentionOpTest {
  private static final int QUERIES = 3;
  private static final int KEYS = 5;

  /** Halves and quarters, which are exact in all dtypes. */
  private static final double[] Q = {1, -0.5, 0.25, 2, -1, 0.75, 0.5, 0.5, -2, 1, 1.5, -0.25};

  private static final double[] K = {
    0.5, 1, -1, 0.25, 2, -0.5, 0.75, 0.75, -0.25, -1, 1, 1, -0.5, 2, 0.25, 0.25, -1.5, 0.5, 0.75,
    -0.75
  };
  private static final double[] V = {1, -2, 3, 0.5, 4, -1, 2.5, 0.25, -3, 1.5};

  /**
   * The products are sums of 2, the weights of 5; all else is some roundings of numbers below 8.
   */
  private static final double F32 = 64 * 0x1p-24;

  private interface Bias {
    double of(int batch, int query, int key);
  }

  private static Tensor tensor(double[] values, DType dtype, long... shape) {
    return Tensor.of(values, shape).to(dtype);
  }

  private static OneNode node(long opset, int batch, DType qk, DType v) {
    return new OneNode("Attention", opset)
        .in(tensor(Arrays.copyOf(Q, batch * QUERIES * 2), qk, batch, 1, QUERIES, 2))
        .in(tensor(Arrays.copyOf(K, batch * KEYS * 2), qk, batch, 1, KEYS, 2))
        .in(tensor(Arrays.copyOf(V, batch * KEYS), v, batch, 1, KEYS, 1));
  }

  private static OneNode node(long opset, int batch) {
    return node(opset, batch, DType.F32, DType.F32);
  }

  /** Weights of all queries; zeros where nothing is seen. */
  private static double[] weights(int batches, Bias bias) {
    double[] weights = new double[batches * QUERIES * KEYS];
    for (int row = 0; row < batches * QUERIES; row++) {
      int b = row / QUERIES;
      double sum = 0;
      for (int j = 0; j < KEYS; j++) {
        int k = 2 * (b * KEYS + j);
        double product = Q[2 * row] * K[k] + Q[2 * row + 1] * K[k + 1];
        double weight = Math.exp(product / Math.sqrt(2) + bias.of(b, row % QUERIES, j));
        weights[row * KEYS + j] = weight;
        sum += weight;
      }
      for (int j = 0; j < KEYS && sum > 0; j++) {
        weights[row * KEYS + j] /= sum;
      }
    }
    return weights;
  }

  private static double[] attention(int batches, Bias bias) {
    double[] weights = weights(batches, bias);
    double[] y = new double[batches * QUERIES];
    for (int i = 0; i < weights.length; i++) {
      int row = i / KEYS;
      y[row] += weights[i] * V[row / QUERIES * KEYS + i % KEYS];
    }
    return y;
  }

  private static double unless(boolean visible) {
    return visible ? 0 : Double.NEGATIVE_INFINITY;
  }

  /** Sums of up to five terms that nearly cancel are as exact as the terms. */
  private static void isAttention(OneNode node, int batches, Bias bias) {
    double[] expected = attention(batches, bias);
    List<OnnxValue> both = node.both(0);
    assertThat(node.hasPlan()).isTrue();
    for (OnnxValue value : both) {
      double[] found = ((OnnxValue.Dense) value).tensor().toDoubleArray();
      assertThat(found).hasSameSizeAs(expected);
      for (int i = 0; i < found.length; i++) {
        assertThat(Math.abs(found[i] - expected[i]))
            .as("row %d: expected %s, found %s", i, expected[i], found[i])
            .isLessThanOrEqualTo(expected[i] == 0 ? 0 : 4 * F32);
      }
    }
  }

  @Test
  void causalQueriesEndAtTheLastKeyOfTheirCache() {
    long[] lengths = {5, 3};
    OneNode node = node(24, 2).none().none().none().in(Tensor.of(lengths)).integer("is_causal", 1);
    isAttention(node, 2, (b, i, j) -> unless(j < lengths[b] && j <= i + lengths[b] - QUERIES));
  }

  @Test
  void queriesBeforeTheFirstKeyGiveZero() {
    long[] lengths = {1, 2};
    OneNode node = node(24, 2).none().none().none().in(Tensor.of(lengths)).integer("is_causal", 1);
    isAttention(node, 2, (b, i, j) -> unless(j < lengths[b] && j <= i + lengths[b] - QUERIES));
  }

  @Test
  void queryThatSeesNothingGivesZero() {
    int[] seen = {1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    Bias bias = (_, i, j) -> unless(seen[i * KEYS + j] != 0);
    Tensor truths = Tensor.of(seen, QUERIES, KEYS).to(DType.BOOL);
    isAttention(node(23, 1).in(truths), 1, bias);
    double[] numbers = new double[seen.length];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = unless(seen[i] != 0);
    }
    Tensor mask = tensor(numbers, DType.F32, QUERIES, KEYS);
    isAttention(node(24, 1).in(mask), 1, bias);
    isAttention(node(24, 1).in(mask).number("softcap", 1e6f), 1, bias);
    node(24, 1)
        .in(mask)
        .none()
        .none()
        .integer("qk_matmul_output_mode", 3)
        .outputs(4)
        .isNear(3, DType.F32, F32, weights(1, bias));
  }

  @Test
  void windowsLimitWhatIsSeen() {
    isAttention(
        node(25, 1).integer("left_window_size", 1).integer("right_window_size", 2),
        1,
        (_, i, j) -> unless(j >= i - 1 && j <= i + 2));
    isAttention(
        node(25, 2).integer("left_window_size", 0).integer("is_causal", 1),
        2,
        (_, i, j) -> unless(j == i));
    long[] lengths = {5, 4};
    isAttention(
        node(25, 2).none().none().none().in(Tensor.of(lengths)).integer("left_window_size", 1),
        2,
        (b, i, j) -> unless(j < lengths[b] && j >= i + lengths[b] - QUERIES - 1));
    assertThatThrownBy(() -> node(25, 1).integer("left_window_size", -2).both(0))
        .hasMessageContaining("left_window_size must be 0 or more, or -1 for all keys, found -2");
  }

  @Test
  void masksAndValuesMayHaveOtherDtypes() {
    Bias bias = (_, i, j) -> j == 4 ? Double.NEGATIVE_INFINITY : i - 0.5 * j;
    double[] numbers = new double[QUERIES * KEYS];
    double[] wholes = new double[QUERIES * KEYS];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = bias.of(0, i / KEYS, i % KEYS);
      wholes[i] = i % 3;
    }
    isAttention(node(24, 1).in(tensor(numbers, DType.F64, QUERIES, KEYS)), 1, bias);
    isAttention(
        node(24, 1).in(tensor(wholes, DType.I64, QUERIES, KEYS)),
        1,
        (_, i, j) -> wholes[i * KEYS + j]);
    for (DType v : List.of(DType.F16, DType.F64)) {
      OneNode node = node(24, 1, DType.F32, v);
      isAttention(node, 1, (_, _, _) -> 0);
      for (OnnxValue value : node(24, 1, DType.F32, v).both(0)) {
        assertThat(((OnnxValue.Dense) value).type()).isEqualTo(ElementType.FLOAT);
      }
    }
    node(24, 1, DType.F32, DType.F64)
        .integer("softmax_precision", 11)
        .integer("qk_matmul_output_mode", 3)
        .outputs(4)
        .isNear(3, DType.F32, F32, weights(1, (_, _, _) -> 0));
  }
}
