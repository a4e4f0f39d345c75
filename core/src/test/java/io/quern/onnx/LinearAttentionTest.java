package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Linear attention gives what its recurrence gives in double precision. Keys are shorter than 1 and
 * rates at most 1, so that no step enlarges what was rounded before.
 */
class LinearAttentionTest {
  private static final int BATCH = 2;
  private static final int HEADS = 2;
  private static final int KEY = 3;
  private static final int VALUE = 4;

  /** Multiples of 1/16 between -1/2 and 1/2, which are exact in all dtypes. */
  private static double[] numbers(int count, int seed) {
    double[] numbers = new double[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = ((i * 7 + seed * 5) % 17 - 8) / 16.0;
    }
    return numbers;
  }

  /** One run of the operator. */
  private static final class Run {
    private final String rule;
    private final int tokens;
    private int groups = 1;
    private double scale;
    private double[] past = new double[BATCH * HEADS * KEY * VALUE];
    private boolean hasPast;
    private int decays = 1;
    private int rates = HEADS;
    private DType dtype = DType.F32;
    private DType stateType = DType.F32;

    Run(String rule, int tokens) {
      this.rule = rule;
      this.tokens = tokens;
    }

    private double[] queries() {
      return numbers(BATCH * tokens * HEADS * groups * KEY, 1);
    }

    private double[] keys() {
      return numbers(BATCH * tokens * HEADS * KEY, 2);
    }

    private double[] values() {
      return numbers(BATCH * tokens * HEADS * VALUE, 3);
    }

    private double @Nullable [] decay() {
      return rule.startsWith("gated") ? negative(BATCH * tokens * HEADS * decays) : null;
    }

    private static double[] negative(int count) {
      return Arrays.stream(numbers(count, 4)).map(x -> -Math.abs(x)).toArray();
    }

    private double @Nullable [] rate() {
      return rule.endsWith("delta")
          ? Arrays.stream(numbers(BATCH * tokens * rates, 5)).map(x -> 0.5 + x).toArray()
          : null;
    }

    private Tensor tensor(double[] values) {
      return Tensor.of(values, BATCH, tokens, values.length / (BATCH * tokens)).to(dtype);
    }

    OneNode node() {
      OneNode node =
          new OneNode("LinearAttention", 27)
              .in(tensor(queries()))
              .in(tensor(keys()))
              .in(tensor(values()));
      node =
          hasPast ? node.in(Tensor.of(past, BATCH, HEADS, KEY, VALUE).to(stateType)) : node.none();
      double[] decay = decay();
      double[] rate = rate();
      node = decay == null ? node.none() : node.in(tensor(decay));
      node = rate == null ? node : node.in(tensor(rate));
      node.text("update_rule", rule).number("scale", (float) scale);
      return node.integer("q_num_heads", (long) HEADS * groups)
          .integer("kv_num_heads", HEADS)
          .outputs(2);
    }

    /** Computes the outputs, and leaves the state in {@code past}. */
    double[] expected() {
      double[] queries = queries();
      double[] keys = keys();
      double[] values = values();
      double[] decay = decay();
      double[] rate = rate();
      double[] y = new double[BATCH * tokens * HEADS * groups * VALUE];
      double by = scale == 0 ? 1 / Math.sqrt(KEY) : scale;
      for (int head = 0; head < BATCH * tokens * HEADS; head++) {
        int token = head / HEADS;
        int state = (token / tokens * HEADS + head % HEADS) * KEY * VALUE;
        for (int j = 0; j < VALUE; j++) {
          double known = 0;
          for (int i = 0; i < KEY; i++) {
            double kept = decay == null ? 1 : Math.exp(decay[head * decays + i % decays]);
            past[state + i * VALUE + j] *= kept;
            known += past[state + i * VALUE + j] * keys[head * KEY + i];
          }
          double learnt = values[head * VALUE + j];
          if (rate != null) {
            learnt = rate[token * rates + head % HEADS % rates] * (learnt - known);
          }
          for (int i = 0; i < KEY; i++) {
            past[state + i * VALUE + j] += keys[head * KEY + i] * learnt;
          }
          for (int query = head * groups; query < (head + 1) * groups; query++) {
            for (int i = 0; i < KEY; i++) {
              y[query * VALUE + j] += by * queries[query * KEY + i] * past[state + i * VALUE + j];
            }
          }
        }
      }
      return y;
    }

    /** Some ten roundings for each token, of numbers as large as the largest of the state. */
    void check(boolean plan) {
      OneNode node = node();
      List<OnnxValue> outputs = node.both(0);
      List<OnnxValue> states = node.both(1);
      assertThat(node.hasPlan()).isEqualTo(plan);
      double[] y = expected();
      double largest = Math.max(1, Arrays.stream(past).map(Math::abs).max().orElseThrow());
      double error = 10 * tokens * DType.F32.epsilon() / 2 * largest;
      outputs.forEach(value -> isNear(value, dtype, error, y));
      states.forEach(value -> isNear(value, hasPast ? stateType : dtype, error, past));
    }

    private static void isNear(OnnxValue value, DType dtype, double error, double[] expected) {
      Tensor tensor = ((OnnxValue.Dense) value).tensor();
      assertThat(tensor.dtype()).isEqualTo(dtype);
      double[] found = tensor.toDoubleArray();
      assertThat(found).hasSameSizeAs(expected);
      double rounding = dtype == DType.F32 ? 0 : dtype.epsilon() / 2;
      for (int i = 0; i < found.length; i++) {
        assertThat(Math.abs(found[i] - expected[i]))
            .as("element %d: expected %s, found %s", i, expected[i], found[i])
            .isLessThanOrEqualTo(error + rounding * Math.abs(expected[i]));
      }
    }
  }

  @Test
  void rulesUpdateTheState() {
    for (String rule : List.of("linear", "gated", "delta", "gated_delta")) {
      for (int tokens : new int[] {1, 5}) {
        new Run(rule, tokens).check(true);
      }
    }
  }

  @Test
  void decayOfEachKeyAndOneRateForAllHeads() {
    for (String rule : List.of("gated", "gated_delta")) {
      Run run = new Run(rule, 5);
      run.decays = KEY;
      run.rates = 1;
      run.check(true);
    }
  }

  @Test
  void queriesShareStatesAndStartWhereTheLastCallEnded() {
    Run run = new Run("gated_delta", 4);
    run.groups = 3;
    run.scale = 0.25;
    run.hasPast = true;
    run.past = numbers(run.past.length, 6);
    run.check(true);
  }

  @Test
  void halvesAreRoundedOnceAndStatesHaveTheirOwnType() {
    for (DType dtype : List.of(DType.F16, DType.BF16)) {
      Run alone = new Run("gated_delta", 5);
      alone.dtype = dtype;
      alone.check(true);
      Run later = new Run("gated", 5);
      later.dtype = dtype;
      later.hasPast = true;
      later.check(true);
    }
  }

  @Test
  void manyTokensRunNodeByNode() {
    new Run("gated_delta", 256).check(true);
    new Run("gated_delta", 257).check(false);
  }

  @Test
  void noTokensLeaveTheState() {
    Tensor none = Tensor.zeros(1, 0, 2);
    OneNode node =
        new OneNode("LinearAttention", 27)
            .in(none)
            .in(none)
            .in(none)
            .in(Tensor.ones(1, 1, 2, 2))
            .text("update_rule", "linear")
            .integer("q_num_heads", 1)
            .integer("kv_num_heads", 1)
            .outputs(2);
    node.isNear(0, DType.F32, 0);
    node.isNear(1, DType.F32, 0, 1, 1, 1, 1);
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertThatThrownBy(() -> new Run("square", 2).node().both(0))
        .hasMessageContaining(
            "update_rule must be one of [linear, gated, delta, gated_delta], found 'square'");
    Run wide = new Run("gated", 2);
    wide.decays = 2;
    assertThatThrownBy(() -> wide.node().both(0))
        .hasMessageContaining(
            "decay must be [batch, tokens, size] with a size of 2 or 6, found [2, 2, 4]");
    OneNode lost =
        new OneNode("LinearAttention", 27)
            .in(Tensor.ones(1, 2, 4))
            .in(Tensor.ones(1, 2, 4))
            .in(Tensor.ones(1, 2, 4))
            .text("update_rule", "gated")
            .integer("q_num_heads", 2)
            .integer("kv_num_heads", 2)
            .outputs(2);
    assertThatThrownBy(() -> lost.both(0))
        .hasMessageContaining("update_rule 'gated' goes with decay, found none");
    OneNode odd =
        new OneNode("LinearAttention", 27)
            .in(Tensor.ones(1, 2, 4))
            .in(Tensor.ones(1, 2, 4))
            .in(Tensor.ones(1, 2, 4))
            .text("update_rule", "linear")
            .integer("q_num_heads", 3)
            .integer("kv_num_heads", 2)
            .outputs(2);
    assertThatThrownBy(() -> odd.both(0))
        .hasMessageContaining(
            "q_num_heads must be a positive multiple of kv_num_heads, found 3 and 2");
  }
}
