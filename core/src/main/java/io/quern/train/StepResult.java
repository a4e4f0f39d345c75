package io.quern.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What is known after a training step.
 *
 * @param progress how far the training is, this step included
 * @param epochs planned epochs
 * @param batches batches per epoch, or -1 while they are not known
 * @param loss of this batch, before the update
 * @param meanLoss of the epoch so far
 * @param metrics of the epoch so far, by name
 * @param learningRate of this step
 * @param examplesPerSecond in the epoch so far, loading included
 */
public record StepResult(
    Progress progress,
    int epochs,
    long batches,
    double loss,
    double meanLoss,
    Map<String, Double> metrics,
    double learningRate,
    double examplesPerSecond) {
  /** Copies the metrics. */
  public StepResult {
    metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
  }
}
