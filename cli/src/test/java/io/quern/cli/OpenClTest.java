package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.loader.Batches;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.op.Unary;
import io.quern.optim.Adam;
import io.quern.text.TextEmbedder;
import io.quern.train.StepResult;
import io.quern.train.TrainListener;
import io.quern.train.Trainer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Whole models on an OpenCL device, such as PoCL's, do what they do on the CPU. */
@EnabledIf(
    value = "isThere",
    disabledReason = "there is no OpenCL device; Debian's pocl-opencl-icd makes the processor one")
class OpenClTest {
  private static final int STEPS = 200;
  private static final int BATCH = 32;

  static boolean isThere() {
    return Device.available().contains("opencl");
  }

  /**
   * The curve of losses may be as far off as one that begins with weights whose last bits are
   * others: rounding the sums of 3136 products (the longest) in another order changes them by
   * sqrt(3136) / 2 units in the last place or so.
   */
  @Test
  void trainingHasTheCurveOfTheCpu() {
    double[] expected = losses(Device.cpu(), 0);
    double[] nudged = losses(Device.cpu(), 28);
    double[] found = losses(Device.of("opencl"), 0);
    double most = 0;
    for (int i = 0; i < STEPS; i++) {
      most = Math.max(most, Math.abs(nudged[i] - expected[i]));
      assertThat(found[i]).as("loss %d", i).isCloseTo(expected[i], within(1e-6 + 4 * most));
    }
    assertThat(found[STEPS - 1]).isLessThan(found[0] / 2);
  }

  private static double[] losses(Device device, int nudge) {
    Module model = QuickstartCommand.model(1);
    Rng rng = Rng.of(2);
    for (Tensor weight : model.parameters().values()) {
      Tensor sign = rng.uniform(weight.shape().toArray()).sub(0.5f).map(Unary.Fn.SIGN);
      weight.copyFrom(weight.detach().mul(sign.mul(nudge * 0x1p-24f).add(1)));
    }
    model.to(device);
    Batches images =
        FashionMnist.bundled()
            .training()
            .dataset()
            .shuffle(1)
            .batch(BATCH)
            .mapInput(FashionMnist::toInput)
            .take(STEPS);
    List<Double> losses = new ArrayList<>();
    Trainer.builder(model, Adam.of(model.parameters(), 1e-3), Losses::crossEntropy)
        .epochs(1)
        .seed(1)
        .listener(
            new TrainListener() {
              @Override
              public void stepDone(StepResult result) {
                losses.add(result.loss());
              }
            })
        .build()
        .fit(images::epoch);
    return losses.stream().mapToDouble(Double::doubleValue).toArray();
  }

  @Test
  void embeddingsAreThoseOfTheCpu() {
    TextEmbedder embedder =
        TextEmbedder.loadResources(
            OpenClTest.class, "/all-minilm-l6-v2.onnx", "/all-minilm-l6-v2-tokenizer.json");
    List<String> texts = List.of("How do I mend a bicycle?", "Take off the wheel.", "Knead it.");
    float[][] expected = embedder.embed(texts);
    float[][] found = embedder.on(Device.of("opencl")).embed(texts);
    for (int i = 0; i < expected.length; i++) {
      for (int d = 0; d < expected[i].length; d++) {
        assertThat(found[i][d]).as("%d of text %d", d, i).isCloseTo(expected[i][d], within(1e-5f));
      }
    }
  }
}
