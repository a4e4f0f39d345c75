package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Tensor;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

/** Attention with graphs in it gives what its specification says, in double precision. */
class FlexAttentionTest {
  private static final int HEADS = 4;
  private static final int GROUPS = 2;
  private static final int QUERIES = 3;
  private static final int KEYS = 5;
  private static final int SIZE = 4;
  private static final int WIDTH = 2;

  /** Multiples of 1/4 between -2 and 2, which are exact in all dtypes. */
  private static double[] numbers(int count, int seed) {
    double[] numbers = new double[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = ((i * 7 + seed * 5) % 17 - 8) / 4.0;
    }
    return numbers;
  }

  private static final double[] Q = numbers(HEADS * QUERIES * SIZE, 1);
  private static final double[] K = numbers(HEADS / GROUPS * KEYS * SIZE, 2);
  private static final double[] V = numbers(HEADS / GROUPS * KEYS * WIDTH, 3);

  private static double[] expected(
      double scale, DoubleUnaryOperator score, DoubleUnaryOperator weight) {
    double[] y = new double[HEADS * QUERIES * WIDTH];
    for (int row = 0; row < HEADS * QUERIES; row++) {
      int head = row / QUERIES / GROUPS;
      double[] weights = new double[KEYS];
      double sum = 0;
      for (int j = 0; j < KEYS; j++) {
        double product = 0;
        for (int i = 0; i < SIZE; i++) {
          product += Q[row * SIZE + i] * K[(head * KEYS + j) * SIZE + i];
        }
        weights[j] = Math.exp(score.applyAsDouble(product * scale));
        sum += weights[j];
      }
      for (int j = 0; j < KEYS; j++) {
        for (int i = 0; i < WIDTH; i++) {
          y[row * WIDTH + i] +=
              weight.applyAsDouble(weights[j] / sum) * V[(head * KEYS + j) * WIDTH + i];
        }
      }
    }
    return y;
  }

  private static OneNode node(DType dtype) {
    return new OneNode("FlexAttention", 28)
        .domain("ai.onnx.preview")
        .in(Tensor.of(Q, 1, HEADS, QUERIES, SIZE).to(dtype))
        .in(Tensor.of(K, 1, HEADS / GROUPS, KEYS, SIZE).to(dtype))
        .in(Tensor.of(V, 1, HEADS / GROUPS, KEYS, WIDTH).to(dtype));
  }

  private static ProtoWriter graph(String op) {
    return new ProtoWriter()
        .string(2, "modifier")
        .message(1, Models.node(op, "x", "y"))
        .message(11, new ProtoWriter().string(1, "x"))
        .message(12, new ProtoWriter().string(1, "y"));
  }

  /** Scores of at most 16 are rounded some times, values of at most 2 are averaged. */
  private static void isNear(OneNode node, DType dtype, double[] expected) {
    double error = 16 * 8 * 2 * (dtype == DType.F64 ? dtype : DType.F32).epsilon();
    double rounding = dtype.bytes() == 2 ? dtype.epsilon() / 2 : 0;
    List<OnnxValue> both = node.both(0);
    assertThat(node.hasPlan()).isTrue();
    for (OnnxValue value : both) {
      Tensor tensor = ((OnnxValue.Dense) value).tensor();
      assertThat(tensor.dtype()).isEqualTo(dtype);
      double[] found = tensor.toDoubleArray();
      assertThat(found).hasSameSizeAs(expected);
      for (int i = 0; i < found.length; i++) {
        assertThat(Math.abs(found[i] - expected[i]))
            .as("element %d: expected %s, found %s", i, expected[i], found[i])
            .isLessThanOrEqualTo(error + rounding * Math.abs(expected[i]));
      }
    }
  }

  @Test
  void withoutGraphsItIsAttention() {
    for (DType dtype : List.of(DType.F16, DType.BF16, DType.F32, DType.F64)) {
      isNear(node(dtype), dtype, expected(0.5, x -> x, x -> x));
    }
    isNear(node(DType.F32).number("scale", 0.25f), DType.F32, expected(0.25, x -> x, x -> x));
    isNear(
        node(DType.F32).integer("softmax_precision", ElementType.DOUBLE.code()),
        DType.F32,
        expected(0.5, x -> x, x -> x));
  }

  @Test
  void graphsChangeScoresAndWeights() {
    for (DType dtype : List.of(DType.F16, DType.F32, DType.F64)) {
      isNear(
          node(dtype).graph("score_mod", graph("Tanh")), dtype, expected(0.5, Math::tanh, x -> x));
      isNear(
          node(dtype).graph("prob_mod", graph("Sqrt")), dtype, expected(0.5, x -> x, Math::sqrt));
      isNear(
          node(dtype).graph("score_mod", graph("Abs")).graph("prob_mod", graph("Sqrt")),
          dtype,
          expected(0.5, Math::abs, Math::sqrt));
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    OneNode shaped = node(DType.F32).graph("score_mod", graph("Shape"));
    assertThatThrownBy(() -> shaped.both(0))
        .hasMessageContaining("score_mod must give one tensor of F32[1, 4, 3, 5], found int64[4]");
    OneNode flat =
        new OneNode("FlexAttention", 28)
            .domain("ai.onnx.preview")
            .in(Tensor.ones(2, 3))
            .in(Tensor.ones(2, 3))
            .in(Tensor.ones(2, 3));
    assertThatThrownBy(() -> flat.both(0))
        .hasMessageContaining("expected [batch, heads, tokens, size]");
  }
}
