package io.quern.train;

import io.quern.DType;
import io.quern.Tensor;

/** Class labels out of scores. */
final class Labels {
  private Labels() {}

  /** The class with the largest score in each row of [.., classes]. */
  static long[] predicted(String metric, Tensor scores, Tensor labels) {
    boolean fits =
        (labels.dtype() == DType.I64 || labels.dtype() == DType.I32)
            && scores.rank() == labels.rank() + 1
            && scores.shape().slice(0, labels.rank()).equals(labels.shape());
    if (!fits) {
      throw new IllegalArgumentException(
          metric
              + ": needs scores [.., classes] and labels [..] of dtype I64 or I32, found "
              + scores.spec()
              + " and "
              + labels.spec());
    }
    return scores.argmax(-1).toLongArray();
  }
}
