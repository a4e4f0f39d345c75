package io.quern.nn;

import io.quern.Tensor;

/**
 * How far a model's output is from what was expected. {@link Losses} has the usual ones, as methods
 * that fit: {@code Losses::crossEntropy}. A {@code Trainer} calls it once for each shape of batches
 * and repeats what it did with tensors.
 */
@FunctionalInterface
public interface Loss {
  /** The mean loss over the batch, a scalar that follows from the prediction by tracked ops. */
  Tensor of(Tensor prediction, Tensor target);
}
