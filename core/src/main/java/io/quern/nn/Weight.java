package io.quern.nn;

import io.quern.Tensor;
import io.quern.op.TensorSpec;

/**
 * A tensor that belongs to a module and is saved with it: a parameter, which training changes by
 * its gradient, or a buffer, which the module changes itself.
 */
public final class Weight {
  private final boolean trainable;
  private volatile Tensor value;

  Weight(Tensor value, boolean trainable) {
    this.trainable = trainable;
    this.value = trainable ? value.requireGrad() : value;
  }

  /** The tensor. Optimisers write into it; it is replaced by {@code Module.to} only. */
  public Tensor value() {
    return value;
  }

  /** Whether gradients are wanted for it. */
  public boolean isTrainable() {
    return trainable;
  }

  TensorSpec spec() {
    return value.spec();
  }

  /** Takes another tensor and closes the one before. */
  void replace(Tensor next) {
    Tensor before = value;
    if (next != before) {
      value = trainable ? next.requireGrad() : next;
      before.close();
    }
  }
}
