package io.quern.train;

import io.quern.Tensor;

/** A figure about predictions that grows batch by batch. For one thread at a time. */
public interface Metric {
  /** What it is called in reports, such as {@code accuracy}. */
  String name();

  /** Takes in the model's output for a batch and what was expected. */
  void update(Tensor prediction, Tensor target);

  /** The figure for all batches since the start or the last {@link #reset}; NaN without any. */
  double value();

  /** Forgets all batches. */
  void reset();
}
