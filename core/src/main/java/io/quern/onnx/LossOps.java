package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import org.jspecify.annotations.Nullable;

/** Losses of classifiers; classes are in dimension 1. */
final class LossOps {
  private LossOps() {}

  static void addTo(OpTable table) {
    table.op(
        "NegativeLogLikelihoodLoss",
        12,
        call -> loss(call, call.in(0), call.has(2) ? call.in(2) : null));
    table.ops(
        "SoftmaxCrossEntropyLoss",
        12,
        call -> {
          Tensor logs = call.in(0).logSoftmax(1);
          return new Tensor[] {loss(call, logs, call.has(2) ? call.in(2) : null), logs};
        });
  }

  private static Tensor loss(Call call, Tensor logs, @Nullable Tensor weights) {
    Tensor target = call.in(1).to(DType.I64);
    Tensor ignored = null;
    if (call.hasAttribute("ignore_index")) {
      ignored = target.compare(Compare.Fn.EQ, (double) call.integer("ignore_index"));
      target = Tensor.where(ignored, ElementwiseOps.scalar(target, 0), target);
    }
    Tensor shares = unless(ignored, share(logs, target, weights));
    Tensor own = logs.takeAlong(1, target.unsqueeze(1)).squeeze(1).neg();
    Tensor losses = unless(ignored, own).mul(shares);
    return switch (call.text("reduction", "mean")) {
      case "none" -> losses;
      case "sum" -> losses.sum();
      case "mean" -> losses.sum().div(shares.sum());
      default -> throw call.error("reduction '%s' is not known", call.text("reduction", ""));
    };
  }

  /** With zeros where a target is ignored. */
  private static Tensor unless(@Nullable Tensor ignored, Tensor values) {
    return ignored == null
        ? values
        : Tensor.where(ignored, ElementwiseOps.scalar(values, 0), values);
  }

  /** The weight of each target. */
  private static Tensor share(Tensor logs, Tensor target, @Nullable Tensor weights) {
    Shape shape = target.shape();
    return weights == null ? Call.full(1, logs.dtype(), shape) : weights.gather(0, target);
  }
}
