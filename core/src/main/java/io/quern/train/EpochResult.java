package io.quern.train;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What is known after an epoch. */
public final class EpochResult {
  private final int epoch;
  private final int epochs;
  private final Evaluation training;
  private final @Nullable Evaluation validation;

  EpochResult(int epoch, int epochs, Evaluation training, @Nullable Evaluation validation) {
    this.epoch = epoch;
    this.epochs = epochs;
    this.training = training;
    this.validation = validation;
  }

  /** Which epoch, counted from 1. */
  public int epoch() {
    return epoch;
  }

  /** Planned epochs. */
  public int epochs() {
    return epochs;
  }

  /** Mean of the batches' losses, each before its update. */
  public double loss() {
    return training.loss();
  }

  /** Examples trained on. */
  public long examples() {
    return training.examples();
  }

  /** Metrics over the training batches, by name. */
  public Map<String, Double> metrics() {
    return training.metrics();
  }

  /** How long the training took, without validation. */
  public Duration time() {
    return training.time();
  }

  /** Result on the validation data, if there are some. */
  public Optional<Evaluation> validation() {
    return Optional.ofNullable(validation);
  }

  @Override
  public String toString() {
    return "epoch "
        + epoch
        + "/"
        + epochs
        + " "
        + training
        + (validation == null ? "" : " validation " + validation);
  }
}
