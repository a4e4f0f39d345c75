package io.quern.nn;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.op.Unary;

/**
 * The usual losses, each as the mean over all elements of the batch. A target that is NaN or
 * infinite makes the loss so; {@code Trainer} stops then and names its position.
 *
 * <p>Predictions and targets have the same shape and dtype; nothing is broadcast, because [n, 1]
 * against [n] is a mistake that would not be noticed.
 */
public final class Losses {
  private Losses() {}

  /** {@link CrossEntropy} without options: logits [.., classes], labels I64 or I32 [..]. */
  public static Tensor crossEntropy(Tensor logits, Tensor labels) {
    return CrossEntropy.standard().of(logits, labels);
  }

  /** Mean squared error, {@code (prediction - target)^2}. */
  public static Tensor mse(Tensor prediction, Tensor target) {
    return difference("mse", prediction, target).square().mean();
  }

  /** Mean absolute error, {@code |prediction - target|}. */
  public static Tensor l1(Tensor prediction, Tensor target) {
    return difference("l1", prediction, target).abs().mean();
  }

  /** {@link #huber(double)} with delta 1. */
  public static Tensor huber(Tensor prediction, Tensor target) {
    return huber(1).of(prediction, target);
  }

  /**
   * Huber's loss (1964): {@code d^2 / 2} where {@code |d| <= delta}, else {@code delta * (|d| -
   * delta / 2)}.
   */
  public static Loss huber(double delta) {
    Check.require(delta > 0, "huber", "delta must be more than 0, found " + delta);
    return (prediction, target) -> {
      Tensor distance = difference("huber", prediction, target).abs();
      Tensor limit = Tensor.full(delta, distance.dtype(), distance.device());
      Tensor inner = distance.minimum(limit);
      return inner.mul(distance.sub(inner.mul(0.5))).mean();
    };
  }

  /**
   * Binary cross-entropy of logits {@code x} and targets {@code t} from 0 to 1: {@code -t log s(x)
   * - (1 - t) log(1 - s(x))} with the logistic function s, computed as {@code t softplus(-x) + (1 -
   * t) softplus(x)}, which neither overflows nor cancels.
   */
  public static Tensor bceWithLogits(Tensor logits, Tensor target) {
    checkPair("bce_with_logits", logits, target);
    Tensor ifOne = logits.neg().map(Unary.Fn.SOFTPLUS);
    Tensor ifZero = logits.map(Unary.Fn.SOFTPLUS);
    return target.mul(ifOne).add(target.neg().add(1).mul(ifZero)).mean();
  }

  /**
   * Binary cross-entropy of probabilities {@code p} and targets {@code t} from 0 to 1: {@code -t
   * log p - (1 - t) log(1 - p)}. Logarithms are cut off at about -69 (F16: -10), beyond which there
   * is no gradient; train with {@link #bceWithLogits} instead.
   */
  public static Tensor bce(Tensor probability, Tensor target) {
    checkPair("bce", probability, target);
    Tensor ifOne = cutOffLog(probability);
    Tensor ifZero = cutOffLog(probability.neg().add(1));
    return target.mul(ifOne).add(target.neg().add(1).mul(ifZero)).mean().neg();
  }

  private static Tensor cutOffLog(Tensor probability) {
    double least = probability.dtype() == DType.F16 ? 0x1p-14 : 0x1p-100;
    return probability.maximum(Tensor.full(least, probability.dtype(), probability.device())).log();
  }

  private static Tensor difference(String op, Tensor prediction, Tensor target) {
    checkPair(op, prediction, target);
    return prediction.sub(target);
  }

  private static void checkPair(String op, Tensor prediction, Tensor target) {
    Check.require(
        prediction.dtype().isFloat() && prediction.spec().equals(target.spec()),
        op,
        "prediction and target must have one float dtype and one shape, found "
            + prediction.spec()
            + " and "
            + target.spec());
    Check.require(prediction.size() > 0, op, "the batch is empty, found " + prediction.spec());
  }
}
