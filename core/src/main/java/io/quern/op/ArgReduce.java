package io.quern.op;

import io.quern.DType;
import java.util.List;
import java.util.Locale;

/** Position (I64) of the extreme element along one axis; the first one of equals, NaN first. */
public record ArgReduce(Fn fn, int axis, boolean keepDims) implements Op {
  /** Which extreme. */
  public enum Fn {
    ARGMAX,
    ARGMIN
  }

  @Override
  public String name() {
    return fn.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec input = inputs.getFirst();
    OpCheck.numeric(name(), input);
    int at = OpCheck.axis(name(), input.shape(), axis);
    TensorSpec output =
        new TensorSpec(
            DType.I64, ShapeRules.reduce(name(), input.shape(), List.of(axis), keepDims));
    OpCheck.require(
        input.shape().dim(at) > 0 || output.shape().size() == 0,
        name(),
        "axis %d of %s is empty",
        axis,
        input.shape());
    return List.of(output);
  }
}
