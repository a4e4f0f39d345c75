package io.quern.train;

import io.quern.Tensor;

/** Share of examples whose label has the largest score: scores [.., classes], labels [..]. */
public final class Accuracy implements Metric {
  private long right;
  private long all;

  /** No examples yet. */
  public Accuracy() {}

  @Override
  public String name() {
    return "accuracy";
  }

  @Override
  public void update(Tensor prediction, Tensor target) {
    long[] predicted = Labels.predicted("accuracy", prediction, target);
    long[] labels = target.toLongArray();
    for (int i = 0; i < labels.length; i++) {
      right += predicted[i] == labels[i] ? 1 : 0;
    }
    all += labels.length;
  }

  @Override
  public double value() {
    return (double) right / all;
  }

  @Override
  public void reset() {
    right = 0;
    all = 0;
  }
}
