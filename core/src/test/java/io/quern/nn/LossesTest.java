package io.quern.nn;

import static io.quern.nn.Naive.normal;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Tensor;
import java.util.function.DoubleBinaryOperator;
import org.junit.jupiter.api.Test;

/** Losses against scalar formulas in double precision, and their gradients. */
class LossesTest {
  private static final long[] LABELS = {2, 0, 1, 2};

  private static double logSoftmax(double[] x, int row, int classes, int column) {
    double total = 0;
    for (int c = 0; c < classes; c++) {
      total += Math.exp(x[row * classes + c]);
    }
    return x[row * classes + column] - Math.log(total);
  }

  private static double crossEntropy(double[] x, double smoothing, double[] weights) {
    double total = 0;
    double norm = 0;
    for (int row = 0; row < 4; row++) {
      int label = (int) LABELS[row];
      total -= (1 - smoothing) * weights[label] * logSoftmax(x, row, 3, label);
      for (int c = 0; c < 3; c++) {
        total -= smoothing / 3 * weights[c] * logSoftmax(x, row, 3, c);
      }
      norm += weights[label];
    }
    return total / norm;
  }

  @Test
  void crossEntropyIsTheMeanNegativeLogProbability() {
    Tensor logits = normal(1, 4, 3).mul(3);
    double[] x = logits.toDoubleArray();
    double[] ones = {1, 1, 1};
    double[] weights = {0.5, 2, 3};
    Tensor labels = Tensor.of(LABELS);
    CrossEntropy smooth = CrossEntropy.standard().labelSmoothing(0.1);
    assertThat(Losses.crossEntropy(logits, labels).item())
        .isCloseTo(crossEntropy(x, 0, ones), within(1e-14));
    assertThat(Losses.crossEntropy(logits, labels.to(DType.I32)).item())
        .isCloseTo(crossEntropy(x, 0, ones), within(1e-14));
    assertThat(smooth.of(logits, labels).item())
        .isCloseTo(crossEntropy(x, 0.1, ones), within(1e-14));
    CrossEntropy weighted = CrossEntropy.standard().classWeights(Tensor.of(weights));
    assertThat(weighted.of(logits, labels).item())
        .isCloseTo(crossEntropy(x, 0, weights), within(1e-14));
    CrossEntropy both = weighted.labelSmoothing(0.1);
    assertThat(both.of(logits, labels).item())
        .isCloseTo(crossEntropy(x, 0.1, weights), within(1e-14));
    FiniteDifferences.check(t -> Losses.crossEntropy(t, labels), logits);
    FiniteDifferences.check(t -> smooth.of(t, labels), logits);
    FiniteDifferences.check(t -> both.of(t, labels), logits);
  }

  @Test
  void crossEntropyTakesAnyLeadingDimensions() {
    Tensor logits = normal(1, 4, 3);
    Tensor labels = Tensor.of(LABELS);
    assertThat(Losses.crossEntropy(logits.reshape(2, 2, 3), labels.reshape(2, 2)).item())
        .isEqualTo(Losses.crossEntropy(logits, labels).item());
  }

  @Test
  void crossEntropyOfConfidentLogitsStaysFinite() {
    Tensor logits = Tensor.of(new float[] {1000, -1000}, 1, 2).requireGrad();
    Tensor loss = Losses.crossEntropy(logits, Tensor.of(new long[] {1}));
    assertThat(loss.item()).isEqualTo(2000);
    assertThat(loss.backward().get(logits).toFloatArray()).containsExactly(1, -1);
  }

  @Test
  void aLabelOutOfRangeIsNamedWithItsPosition() {
    Tensor logits = normal(1, 4, 3);
    for (long bad : new long[] {3, -1, Long.MAX_VALUE}) {
      assertThatThrownBy(() -> Losses.crossEntropy(logits, Tensor.of(new long[] {0, 2, bad, 1})))
          .isInstanceOf(IndexOutOfBoundsException.class)
          .hasMessage(
              "cross_entropy: label "
                  + bad
                  + " at position 2 of the batch is out of range,"
                  + " expected 0 to 2; check the labels or the number of the model's outputs");
    }
  }

  @Test
  void crossEntropyNamesWrongArguments() {
    Tensor logits = normal(1, 4, 3);
    assertThatThrownBy(() -> Losses.crossEntropy(logits, Tensor.ones(4)))
        .hasMessage(
            "cross_entropy: labels must be class indices of dtype I64 or I32, found F32[4];"
                + " convert them with to(DType.I64)");
    assertThatThrownBy(() -> Losses.crossEntropy(logits, Tensor.of(new long[] {1, 2})))
        .hasMessage(
            "cross_entropy: logits must be [.., classes] and labels [..], found [4, 3] and [2]");
    assertThatThrownBy(() -> Losses.crossEntropy(Tensor.zeros(0, 3), Tensor.arange(0, DType.I64)))
        .hasMessage("cross_entropy: the batch is empty, found F32[0, 3]");
    CrossEntropy weighted = CrossEntropy.standard().classWeights(Tensor.ones(4).to(DType.F64));
    assertThatThrownBy(() -> weighted.of(logits, Tensor.of(LABELS)))
        .hasMessageContaining("class weights must be F64[3] for logits F64[4, 3], found F64[4]");
    assertThatThrownBy(() -> CrossEntropy.standard().classWeights(Tensor.ones(2, 2)))
        .hasMessageContaining("class weights must be a vector of a float dtype");
    assertThatThrownBy(() -> CrossEntropy.standard().labelSmoothing(1))
        .hasMessageContaining("label smoothing must be at least 0.0 and less than 1.0");
  }

  private static void check(Loss loss, DoubleBinaryOperator formula, Tensor x, Tensor target) {
    double sum = 0;
    double[] xs = x.toDoubleArray();
    double[] targets = target.toDoubleArray();
    for (int i = 0; i < xs.length; i++) {
      sum += formula.applyAsDouble(xs[i], targets[i]);
    }
    assertThat(loss.of(x, target).item()).isCloseTo(sum / xs.length, within(1e-13));
    FiniteDifferences.check(t -> loss.of(t, target), x);
  }

  @Test
  void elementwiseLossesAreTheirFormulas() {
    Tensor x = normal(1, 3, 5).mul(2);
    Tensor target = normal(2, 3, 5);
    check(Losses::mse, (p, t) -> (p - t) * (p - t), x, target);
    check(Losses::l1, (p, t) -> Math.abs(p - t), x, target);
    check(Losses::huber, (p, t) -> huber(p - t, 1), x, target);
    check(Losses.huber(0.3), (p, t) -> huber(p - t, 0.3), x, target);
    Tensor probability = target.sigmoid();
    check(
        Losses::bceWithLogits,
        (p, t) -> -t * Math.log(1 / (1 + Math.exp(-p))) - (1 - t) * Math.log(1 / (1 + Math.exp(p))),
        x,
        probability);
    check(
        Losses::bce,
        (p, t) -> -t * Math.log(p) - (1 - t) * Math.log(1 - p),
        x.sigmoid(),
        probability);
  }

  private static double huber(double d, double delta) {
    return Math.abs(d) <= delta ? d * d / 2 : delta * (Math.abs(d) - delta / 2);
  }

  @Test
  void bceWithLogitsIsStableAndRightAtZero() {
    Tensor logits = Tensor.of(new float[] {-1000, 1000, 20, 0}).requireGrad();
    Tensor target = Tensor.of(new float[] {0, 1, 1, 1});
    Tensor loss = Losses.bceWithLogits(logits, target);
    double expected = (Math.log1p(Math.exp(-20)) + Math.log(2)) / 4;
    assertThat(loss.item()).isCloseTo(expected, within(1e-7));
    assertThat(loss.backward().get(logits).toFloatArray()[3]).isEqualTo(-0.125f);
    Tensor wrong = Losses.bceWithLogits(Tensor.of(new float[] {-1000}), Tensor.of(new float[] {1}));
    assertThat(wrong.item()).isEqualTo(1000);
  }

  @Test
  void bceOfImpossibleProbabilitiesStaysFinite() {
    for (DType dtype : new DType[] {DType.F64, DType.F32, DType.BF16, DType.F16}) {
      Tensor p = Tensor.of(new float[] {0, 1, 0, 1}).to(dtype).requireGrad();
      Tensor target = Tensor.of(new float[] {0, 1, 1, 0}).to(dtype);
      Tensor loss = Losses.bce(p, target);
      assertThat(loss.item()).as("%s", dtype).isBetween(4.0, 35.0);
      for (double element : loss.backward().get(p).toDoubleArray()) {
        assertThat(element).as("%s", dtype).isFinite();
      }
    }
  }

  @Test
  void shapesAreNotBroadcast() {
    assertThatThrownBy(() -> Losses.mse(Tensor.ones(4, 1), Tensor.ones(4)))
        .hasMessage(
            "mse: prediction and target must have one float dtype and one shape, found F32[4, 1]"
                + " and F32[4]");
    assertThatThrownBy(() -> Losses.l1(Tensor.ones(4), Tensor.of(new long[4])))
        .hasMessageContaining("l1: prediction and target must have one float dtype");
    assertThatThrownBy(() -> Losses.mse(Tensor.zeros(0), Tensor.zeros(0)))
        .hasMessageContaining("mse: the batch is empty");
    assertThatThrownBy(() -> Losses.huber(0)).hasMessageContaining("delta must be more than 0");
  }

  @Test
  void nanTargetsShowInTheLoss() {
    Tensor target = Tensor.of(new float[] {1, Float.NaN});
    for (Loss loss :
        new Loss[] {Losses::mse, Losses::l1, Losses::huber, Losses::bce, Losses::bceWithLogits}) {
      assertThat(loss.of(Tensor.full(0.5, DType.F32, target.device(), 2), target).item()).isNaN();
    }
  }
}
