package io.quern.nn;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Cross-entropy between a softmax over logits and class labels, {@code -log
 * softmax(logits)[label]}, as the mean over the batch. Immutable; one object may be used by many
 * threads.
 *
 * <p>With label smoothing {@code s} (Szegedy et al. 2016), the target is {@code 1 - s} for the
 * label plus {@code s / classes} for every class. With class weights, the terms of class {@code c}
 * count {@code weight[c]} times, and the mean divides by the sum of the labels' weights, as in
 * PyTorch.
 */
public final class CrossEntropy implements Loss {
  private static final CrossEntropy STANDARD = new CrossEntropy(0, null);

  private final double smoothing;
  private final @Nullable Tensor classWeights;

  private CrossEntropy(double smoothing, @Nullable Tensor classWeights) {
    this.smoothing = smoothing;
    this.classWeights = classWeights;
  }

  /** Without smoothing and weights. */
  public static CrossEntropy standard() {
    return STANDARD;
  }

  /** This loss with label smoothing, from 0 to less than 1. */
  public CrossEntropy labelSmoothing(double smoothing) {
    return new CrossEntropy(
        Check.range("cross_entropy", "label smoothing", smoothing, 0, 1), classWeights);
  }

  /** This loss with one weight per class, of the dtype of the logits. */
  public CrossEntropy classWeights(Tensor weights) {
    Check.require(
        weights.rank() == 1 && weights.dtype().isFloat(),
        "cross_entropy",
        "class weights must be a vector of a float dtype, found " + weights.spec());
    return new CrossEntropy(smoothing, weights);
  }

  /**
   * The mean loss.
   *
   * @param logits [.., classes], unnormalised
   * @param labels I64 or I32 [..], from 0 to classes - 1
   * @throws IndexOutOfBoundsException if a label is out of range; the message names its position
   */
  @Override
  public Tensor of(Tensor logits, Tensor labels) {
    check(logits, labels);
    long classes = logits.dim(-1);
    long rows = labels.size();
    Tensor column = labels.reshape(Shape.of(rows, 1));
    Tensor log = logits.reshape(Shape.of(rows, classes)).logSoftmax(1);
    Tensor loss = pick(log, column, labels, classes).neg();
    if (smoothing == 0 && classWeights == null) {
      return loss.mean();
    }
    Tensor perClass = weightsFor(logits, classes);
    Tensor perLabel = perClass == null ? null : perClass.expand(log.shape()).takeAlong(1, column);
    Tensor total = perLabel == null ? loss.sum() : loss.mul(perLabel).sum();
    if (smoothing > 0) {
      Tensor all = perClass == null ? log : log.mul(perClass);
      total = total.mul(1 - smoothing).sub(all.sum().mul(smoothing / classes));
    }
    return perLabel == null ? total.mul(1.0 / rows) : total.div(perLabel.sum());
  }

  private @Nullable Tensor weightsFor(Tensor logits, long classes) {
    if (classWeights == null) {
      return null;
    }
    Check.require(
        classWeights.dim(0) == classes && classWeights.dtype() == logits.dtype(),
        "cross_entropy",
        "class weights must be "
            + logits.dtype()
            + "["
            + classes
            + "] for logits "
            + logits.spec()
            + ", found "
            + classWeights.spec());
    return classWeights.to(logits.device()).reshape(1, classes);
  }

  private static void check(Tensor logits, Tensor labels) {
    Check.require(
        labels.dtype() == DType.I64 || labels.dtype() == DType.I32,
        "cross_entropy",
        "labels must be class indices of dtype I64 or I32, found "
            + labels.spec()
            + "; convert them with to(DType.I64)");
    Check.require(
        logits.rank() == labels.rank() + 1
            && logits.shape().slice(0, labels.rank()).equals(labels.shape()),
        "cross_entropy",
        "logits must be [.., classes] and labels [..], found "
            + logits.shape()
            + " and "
            + labels.shape());
    Check.require(labels.size() > 0, "cross_entropy", "the batch is empty, found " + logits.spec());
  }

  private static Tensor pick(Tensor log, Tensor column, Tensor labels, long classes) {
    try {
      return log.takeAlong(1, column);
    } catch (IndexOutOfBoundsException e) {
      throw outOfRange(labels.toLongArray(), classes, e);
    }
  }

  private static IndexOutOfBoundsException outOfRange(
      long[] labels, long classes, IndexOutOfBoundsException cause) {
    int at = 0;
    while (at < labels.length - 1 && labels[at] >= 0 && labels[at] < classes) {
      at++;
    }
    IndexOutOfBoundsException exception =
        new IndexOutOfBoundsException(
            "cross_entropy: label "
                + labels[at]
                + " at position "
                + at
                + " of the batch is out of range, expected 0 to "
                + (classes - 1)
                + "; check the labels or the number of the model's outputs");
    exception.initCause(cause);
    return exception;
  }
}
