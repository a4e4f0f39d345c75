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
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AttentionTest {
  private static final int DIM = 6;
  private static final int HEADS = 2;

  private static MultiHeadAttention attention(boolean causal) {
    MultiHeadAttention attention =
        MultiHeadAttention.builder(DIM, HEADS).causal(causal).build(Rng.of(1));
    attention.to(DType.F64);
    attention.parameters().get("in_proj_bias").copyFrom(normal(20, 3 * DIM));
    return attention;
  }

  /** Whether a query sees a key. */
  private interface Visible {
    boolean at(int n, int query, int key);
  }

  /** Attention with one loop per index. */
  private static double[] naive(
      Module attention, Tensor query, Tensor key, Tensor value, Visible visible) {
    double[] w = weight(attention, "in_proj_weight");
    double[] b = weight(attention, "in_proj_bias");
    int batch = (int) query.dim(0);
    int queries = (int) query.dim(1);
    int keys = (int) key.dim(1);
    double[][][] q = project(query, w, b, 0);
    double[][][] k = project(key, w, b, 1);
    double[][][] v = project(value, w, b, 2);
    double[] ow = weight(attention, "out_proj.weight");
    double[] ob = weight(attention, "out_proj.bias");
    double[] result = new double[batch * queries * DIM];
    int part = DIM / HEADS;
    for (int n = 0; n < batch; n++) {
      for (int i = 0; i < queries; i++) {
        double[] joined = new double[DIM];
        for (int h = 0; h < HEADS; h++) {
          double[] weights = new double[keys];
          double total = 0;
          for (int j = 0; j < keys; j++) {
            double dot = 0;
            for (int d = h * part; d < (h + 1) * part; d++) {
              dot += q[n][i][d] * k[n][j][d];
            }
            weights[j] = visible.at(n, i, j) ? Math.exp(dot / Math.sqrt(part)) : 0;
            total += weights[j];
          }
          for (int d = h * part; d < (h + 1) * part; d++) {
            for (int j = 0; j < keys; j++) {
              joined[d] += weights[j] / total * v[n][j][d];
            }
          }
        }
        for (int o = 0; o < DIM; o++) {
          double sum = ob[o];
          for (int d = 0; d < DIM; d++) {
            sum += joined[d] * ow[o * DIM + d];
          }
          result[(n * queries + i) * DIM + o] = sum;
        }
      }
    }
    return result;
  }

  private static double[][][] project(Tensor input, double[] w, double[] b, int part) {
    double[][][] result = new double[(int) input.dim(0)][(int) input.dim(1)][DIM];
    for (int n = 0; n < result.length; n++) {
      for (int i = 0; i < result[n].length; i++) {
        for (int o = 0; o < DIM; o++) {
          double sum = b[part * DIM + o];
          for (int d = 0; d < DIM; d++) {
            sum += input.get(n, i, d) * w[(part * DIM + o) * DIM + d];
          }
          result[n][i][o] = sum;
        }
      }
    }
    return result;
  }

  @Test
  void selfAttentionIsTheFormula() {
    Module attention = attention(false);
    Tensor x = normal(2, 2, 4, DIM);
    assertClose(attention.forward(x), naive(attention, x, x, x, (n, i, j) -> true));
  }

  @Test
  void causalAttentionSeesThePastOnly() {
    Module attention = attention(true);
    Tensor x = normal(2, 2, 5, DIM);
    assertClose(attention.forward(x), naive(attention, x, x, x, (n, i, j) -> j <= i));
    Tensor changed = Tensor.concat(1, x.slice(1, 0, 4), normal(9, 2, 1, DIM));
    double[] before = attention.forward(x).slice(1, 0, 4).toDoubleArray();
    assertThat(attention.forward(changed).slice(1, 0, 4).toDoubleArray()).isEqualTo(before);
  }

  @Test
  void crossAttentionProjectsEachInputByItsPart() {
    MultiHeadAttention attention = attention(false);
    Tensor query = normal(2, 2, 3, DIM);
    Tensor key = normal(3, 2, 5, DIM);
    Tensor value = normal(4, 2, 5, DIM);
    assertClose(
        attention.attend(query, key, value, null, Mode.INFERENCE),
        naive(attention, query, key, value, (n, i, j) -> true));
    assertClose(
        attention.attend(query, query, query.contiguous().add(0), null, Mode.INFERENCE),
        attention.forward(query).toDoubleArray());
  }

  @Test
  void masksHideKeys() {
    MultiHeadAttention attention = attention(false);
    Tensor x = normal(2, 2, 4, DIM);
    // The second example has two keys only.
    Tensor padding = Tensor.ofBytes(new byte[] {1, 1, 1, 1, 1, 1, 0, 0}, 2, 1, 1, 4).to(DType.BOOL);
    double[] expected = naive(attention, x, x, x, (n, i, j) -> n == 0 || j < 2);
    assertClose(attention.forward(x, padding, Mode.INFERENCE), expected);
    Tensor added =
        Tensor.where(
            padding,
            Tensor.scalar(0).to(DType.F64),
            Tensor.scalar(Float.NEGATIVE_INFINITY).to(DType.F64));
    assertClose(attention.forward(x, added, Mode.INFERENCE), expected);
  }

  @Test
  void aQueryWithoutKeysGetsTheBiasAndStaysFinite() {
    MultiHeadAttention attention = attention(false);
    attention.parameters().get("out_proj.bias").copyFrom(normal(21, DIM));
    Tensor x = normal(2, 1, 3, DIM).requireGrad();
    Tensor nothing = Tensor.full(0, DType.BOOL, x.device(), 3, 3);
    Tensor output = attention.forward(x, nothing, Mode.INFERENCE);
    for (double element : output.sum().backward().get(x).toDoubleArray()) {
      assertThat(element).isFinite();
    }
    Tensor bias = attention.parameters().get("out_proj.bias");
    assertThat(output.toDoubleArray())
        .containsExactly(bias.expand(Shape.of(1, 3, DIM)).toDoubleArray());
  }

  @Test
  void gradientsAreRight() {
    MultiHeadAttention attention = attention(true);
    Tensor weights = normal(3, 1, 3, DIM);
    FiniteDifferences.check(
        x -> attention.forward(x, Mode.INFERENCE).mul(weights).sum(), normal(2, 1, 3, DIM));
  }

  @Test
  void gradientsUnderMasksAreRight() {
    MultiHeadAttention attention = attention(false);
    Tensor weights = normal(3, 1, 3, DIM);
    Tensor mask = Tensor.ofBytes(new byte[] {1, 0, 1, 0, 0, 0, 1, 1, 0}, 3, 3).to(DType.BOOL);
    FiniteDifferences.check(
        x -> attention.forward(x, mask, Mode.INFERENCE).mul(weights).sum(), normal(2, 1, 3, DIM));
  }

  @Test
  void dropoutSeesTheSameMasks() {
    MultiHeadAttention dropping =
        MultiHeadAttention.builder(DIM, HEADS).causal(true).dropout(1e-9).build(Rng.of(1));
    Tensor x = Rng.of(2).normal(2, 4, DIM);
    Tensor mask = Tensor.ofBytes(new byte[] {0, 1, 1, 1}, 1, 4).to(DType.BOOL);
    assertThat(dropping.forward(x, mask, Mode.training(Rng.of(3))).toFloatArray())
        .usingComparatorWithPrecision(1e-5f)
        .containsExactly(dropping.forward(x, mask, Mode.INFERENCE).toFloatArray());
  }

  @Test
  void dropoutWorksOnTheWeightsInTrainingOnly() {
    MultiHeadAttention attention =
        MultiHeadAttention.builder(DIM, HEADS).dropout(0.5).bias(false).build(Rng.of(1));
    Tensor x = Rng.of(2).normal(2, 4, DIM);
    assertThat(attention.forward(x).toByteArray()).isEqualTo(attention.forward(x).toByteArray());
    byte[] trained = attention.forward(x, Mode.training(Rng.of(3))).toByteArray();
    assertThat(trained).isEqualTo(attention.forward(x, Mode.training(Rng.of(3))).toByteArray());
    assertThat(trained).isNotEqualTo(attention.forward(x).toByteArray());
    assertThat(attention.parameters()).containsOnlyKeys("in_proj_weight", "out_proj.weight");
  }

  @Test
  void weightsStartAsInPyTorch() {
    MultiHeadAttention attention = MultiHeadAttention.of(64, 4, Rng.of(1));
    double[] w = weight(attention, "in_proj_weight");
    assertThat(Arrays.stream(w).map(Math::abs).max().orElseThrow())
        .isCloseTo(Math.sqrt(6.0 / 256), within(1e-4));
    assertThat(weight(attention, "in_proj_bias")).containsOnly(0);
    assertThat(weight(attention, "out_proj.bias")).containsOnly(0);
    assertThat(
            Arrays.stream(weight(attention, "out_proj.weight")).map(Math::abs).max().orElseThrow())
        .isCloseTo(0.125, within(1e-3));
  }

  @Test
  void wrongShapesAreNamed() {
    assertThatThrownBy(() -> MultiHeadAttention.of(6, 4, Rng.of(1)))
        .hasMessage("attention: 4 heads do not divide dimension 6");
    assertThatThrownBy(() -> attention(false).forward(Tensor.ones(2, 3, 5)))
        .hasMessageStartingWith("attention: query must be [n, queries, 6], key and value");
    Tensor x = normal(1, 1, 3, DIM);
    assertThatThrownBy(
            () ->
                attention(true)
                    .attend(x, normal(1, 1, 4, DIM), normal(1, 1, 4, DIM), null, Mode.INFERENCE))
        .hasMessage("attention: causal attention needs as many queries as keys, found 3 and 4");
  }
}
