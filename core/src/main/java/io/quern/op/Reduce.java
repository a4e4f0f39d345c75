package io.quern.op;

import io.quern.DType;
import java.util.List;
import java.util.Locale;

/**
 * Folds the listed axes. The sum of no elements is 0, the product 1; the maximum or minimum of no
 * elements is an error.
 */
public record Reduce(Fn fn, List<Integer> axes, boolean keepDims) implements Op {
  /** The fold. */
  public enum Fn {
    SUM,
    PROD,
    /** NaN when an element is NaN. */
    MAX,
    /** NaN when an element is NaN. */
    MIN
  }

  public Reduce {
    axes = List.copyOf(axes);
  }

  @Override
  public String name() {
    return "reduce_" + fn.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec input = inputs.getFirst();
    OpCheck.require(
        input.dtype() != DType.BOOL || fn == Fn.MAX || fn == Fn.MIN,
        name(),
        "needs a numeric dtype, found %s; convert it with to(DType)",
        input);
    TensorSpec output = input.with(ShapeRules.reduce(name(), input.shape(), axes, keepDims));
    OpCheck.require(
        fn == Fn.SUM || fn == Fn.PROD || input.shape().size() > 0 || output.shape().size() == 0,
        name(),
        "no elements to fold over axes %s of %s",
        axes,
        input.shape());
    return List.of(output);
  }
}
