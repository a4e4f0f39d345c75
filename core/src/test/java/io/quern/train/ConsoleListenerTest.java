package io.quern.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.optim.Sgd;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ConsoleListenerTest {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
  private long now;

  private String text() {
    return bytes.toString(StandardCharsets.UTF_8).replace(System.lineSeparator(), "\n");
  }

  private static StepResult step(long batch, long batches) {
    return new StepResult(
        new Progress(1, batch, 100 + batch),
        5,
        batches,
        0.7,
        0.53214,
        Map.of("accuracy", 0.81),
        0.01,
        10_234.4);
  }

  private static EpochResult epoch(boolean validated) {
    Evaluation training =
        new Evaluation(0.5, 12_800, Map.of("accuracy", 0.8), Duration.ofMillis(1250));
    return new EpochResult(
        2,
        5,
        training,
        validated
            ? new Evaluation(0.6, 10, Map.of("accuracy", 0.75), Duration.ofMillis(10))
            : null);
  }

  @Test
  void theFirstLineSaysHowTheModelIsTrained() {
    Module model = TinyData.plain(1);
    TrainListener listener = new ConsoleListener(out, false, () -> now);
    Trainer.builder(model, Sgd.of(model.parameters(), 0.1), Losses::crossEntropy)
        .precision(DType.BF16)
        .listener(listener)
        .build()
        .fit(TinyData.list(1, 4));
    assertThat(text())
        .startsWith("training on reference in BF16; R3, the same bits on every CPU\nepoch 1/1  ");
  }

  @Test
  void aTerminalGetsOneLineThatIsDrawnAnew() {
    TrainListener listener = new ConsoleListener(out, true, () -> now);
    listener.epochStarted(2, 5);
    for (int batch = 1; batch <= 40; batch++) {
      now += 50_000_000;
      listener.stepDone(step(batch, 80));
    }
    listener.epochDone(epoch(true));
    String[] drawn = text().split("\r", -1);
    assertThat(drawn).hasSize(1 + 20 + 1);
    assertThat(drawn[1])
        .isEqualTo(
            "epoch 2/5  [                    ]  2/80  loss 0.5321  accuracy 0.8100  10,234"
                + " examples/s  ETA 0:04");
    assertThat(drawn[20])
        .isEqualTo(
            "epoch 2/5  [==========          ]  40/80  loss 0.5321  accuracy 0.8100  10,234"
                + " examples/s  ETA 0:02");
    assertThat(drawn[21])
        .startsWith(
            "epoch 2/5  loss 0.5000  accuracy 0.8000  validation:  loss 0.6000  accuracy 0.7500"
                + "  10,240 examples/s  1.3 s")
        .endsWith("\n");
    assertThat(drawn[21].stripTrailing().length()).isLessThanOrEqualTo(drawn[21].length() - 1);
  }

  @Test
  void aShorterLineWipesTheLongerOneBefore() {
    TrainListener listener = new ConsoleListener(out, true, () -> now);
    listener.epochStarted(2, 5);
    now += 1_000_000_000;
    listener.stepDone(step(1, 80));
    listener.epochDone(epoch(false));
    String[] drawn = text().split("\r", -1);
    assertThat(drawn[2].replace("\n", "").length()).isEqualTo(drawn[1].length());
    assertThat(drawn[2].stripTrailing())
        .isEqualTo("epoch 2/5  loss 0.5000  accuracy 0.8000  10,240 examples/s  1.3 s");
  }

  @Test
  void aFileGetsALineEveryTenSeconds() {
    TrainListener listener = new ConsoleListener(out, false, () -> now);
    listener.epochStarted(2, 5);
    for (int batch = 1; batch <= 25; batch++) {
      now += 1_000_000_000;
      listener.stepDone(step(batch, -1));
    }
    listener.epochDone(epoch(false));
    assertThat(text())
        .isEqualTo(
            """
            epoch 2/5  10 batches  loss 0.5321  accuracy 0.8100  10,234 examples/s
            epoch 2/5  20 batches  loss 0.5321  accuracy 0.8100  10,234 examples/s
            epoch 2/5  loss 0.5000  accuracy 0.8000  10,240 examples/s  1.3 s
            """);
  }

  @Test
  void theTimeLeftCountsFromWhereATrainingWasResumed() {
    TrainListener listener = new ConsoleListener(out, false, () -> now);
    listener.epochStarted(2, 5);
    now += 10_000_000_000L;
    listener.stepDone(step(61, 62));
    now += 7_200_000_000_000L;
    listener.stepDone(step(62, 1062));
    assertThat(text()).contains("61/62").contains("ETA 0:10").contains("ETA 1001:23:20");
  }
}
