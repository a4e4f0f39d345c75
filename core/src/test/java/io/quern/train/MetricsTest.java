package io.quern.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class MetricsTest {
  /** One-hot scores, so that row i predicts classes[i]. */
  private static Tensor scores(int... classes) {
    float[] scores = new float[classes.length * 3];
    for (int i = 0; i < classes.length; i++) {
      scores[i * 3 + classes[i]] = 1;
    }
    return Tensor.of(scores, classes.length, 3);
  }

  private static Tensor labels(long... labels) {
    return Tensor.of(labels);
  }

  @Test
  void runningMeanWeighsItsNumbers() {
    RunningMean mean = new RunningMean();
    assertThat(mean.mean()).isNaN();
    mean.add(1, 3);
    mean.add(5, 1);
    assertThat(mean.mean()).isEqualTo(2);
    mean.reset();
    mean.add(7, 2);
    assertThat(mean.mean()).isEqualTo(7);
  }

  @Test
  void accuracyIsTheShareOfRightOnes() {
    Accuracy accuracy = new Accuracy();
    assertThat(accuracy.value()).isNaN();
    accuracy.update(scores(0, 1, 2), labels(0, 1, 1));
    accuracy.update(scores(2), labels(2));
    assertThat(accuracy.value()).isEqualTo(0.75);
    accuracy.reset();
    accuracy.update(scores(2), labels(1));
    assertThat(accuracy.value()).isZero();
    accuracy.update(scores(0, 1, 2, 0).reshape(2, 2, 3), labels(0, 1, 2, 0).reshape(2, 2));
    assertThat(accuracy.value()).isEqualTo(0.8);
  }

  @Test
  void accuracyNamesWrongShapes() {
    assertThatThrownBy(() -> new Accuracy().update(scores(0, 1), labels(0)))
        .hasMessage(
            "accuracy: needs scores [.., classes] and labels [..] of dtype I64 or I32, found"
                + " F32[2, 3] and I64[1]");
    assertThatThrownBy(() -> new Accuracy().update(scores(0), Tensor.ones(1)))
        .hasMessageContaining("found F32[1, 3] and F32[1]");
  }

  @Test
  void theConfusionMatrixCountsPairs() {
    ConfusionMatrix matrix = ConfusionMatrix.of(List.of("cat", "dog", "elephant"));
    matrix.update(scores(0, 0, 1, 1, 0), labels(0, 0, 0, 1, 1));
    assertThat(matrix.count(0, 0)).isEqualTo(2);
    assertThat(matrix.count(0, 1)).isEqualTo(1);
    assertThat(matrix.count(1, 0)).isEqualTo(1);
    assertThat(matrix.support(0)).isEqualTo(3);
    assertThat(matrix.precision(0)).isEqualTo(2.0 / 3);
    assertThat(matrix.recall(0)).isEqualTo(2.0 / 3);
    assertThat(matrix.recall(1)).isEqualTo(0.5);
    assertThat(matrix.f1(1)).isCloseTo(0.5, within(1e-15));
    assertThat(matrix.precision(2)).isNaN();
    assertThat(matrix.value()).isEqualTo(0.6);
    assertThat(matrix.table())
        .isEqualTo(
            """
            class     precision  recall      f1  support  taken for
            cat           0.667   0.667   0.667        3  dog (1)
            dog           0.500   0.500   0.500        2  cat (1)
            elephant          -       -       -        0
            all       accuracy 0.600\
            """);
    assertThat(matrix).hasToString(matrix.table());
    matrix.reset();
    assertThat(matrix.support(0)).isZero();
  }

  @Test
  void aBadLabelChangesNothing() {
    ConfusionMatrix matrix = ConfusionMatrix.of(2);
    assertThatThrownBy(() -> matrix.update(scores(0, 1), labels(0, -1)))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessage("confusion matrix: label -1, predicted 1, expected 0 to 1");
    assertThatThrownBy(() -> matrix.update(scores(0, 2), labels(0, 1)))
        .hasMessageContaining("label 1, predicted 2, expected 0 to 1");
    assertThat(matrix.count(0, 0)).isZero();
    assertThatThrownBy(() -> ConfusionMatrix.of(0))
        .hasMessage("confusion matrix: needs one class or more");
  }
}
