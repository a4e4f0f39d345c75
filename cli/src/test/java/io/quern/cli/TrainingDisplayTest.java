package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Batch;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.optim.Sgd;
import io.quern.train.Accuracy;
import io.quern.train.Trainer;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class TrainingDisplayTest {
  private static String train(boolean terminal) {
    StringWriter text = new StringWriter();
    Module model = Linear.of(2, 2, Rng.of(1));
    List<Batch> data =
        List.of(
            new Batch(Tensor.of(new float[] {1, 2, 3, 4}, 2, 2), Tensor.of(new long[] {0, 1})),
            new Batch(Tensor.of(new float[] {4, 3, 2, 1}, 2, 2), Tensor.of(new long[] {1, 0})));
    try (TrainingDisplay display = new TrainingDisplay(new PrintWriter(text), terminal)) {
      Trainer.builder(model, Sgd.of(model.parameters(), 0.1), Losses::crossEntropy)
          .epochs(2)
          .metrics(new Accuracy())
          .validation(data)
          .listener(display)
          .build()
          .fit(data);
    }
    return text.toString();
  }

  @Test
  void awayFromATerminalThereAreLinesOnly() {
    String text = train(false);
    assertThat(text.lines()).hasSize(2);
    assertThat(text)
        .containsPattern(
            "epoch 1/2  loss \\d\\.\\d{3}  accuracy \\d\\.\\d{3}  test accuracy \\d\\.\\d{3}"
                + "  [\\d,]+ images/s\n")
        .contains("epoch 2/2")
        .doesNotContainPattern("[\\p{Cntrl}&&[^\n]]");
  }

  @Test
  void onATerminalABarIsDrawnAndTakenAway() {
    String text = train(true);
    assertThat(text)
        .containsPattern("\repoch 1/2 \\[=+ *\\] +\\d+%  loss \\d\\.\\d{3}  accuracy")
        .contains("images/s");
    for (String drawn : text.split("\r|\n", -1)) {
      assertThat(drawn.length()).as(drawn).isLessThanOrEqualTo(79);
    }
    assertThat(text.lines().filter(line -> line.startsWith("\r") || line.startsWith("epoch")))
        .isNotEmpty();
  }
}
