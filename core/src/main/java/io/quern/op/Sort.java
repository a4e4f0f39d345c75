package io.quern.op;

import io.quern.DType;
import java.util.List;

/**
 * Sorts along one axis. Outputs: the values in order, and for each its position (I64) before. Equal
 * elements keep their order, also in descending order; -0 equals 0, and NaN counts as larger than
 * all numbers, as in PyTorch and NumPy.
 */
public record Sort(int axis, boolean descending) implements Op {
  @Override
  public String name() {
    return "sort";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec x = inputs.getFirst();
    OpCheck.axis(name(), x.shape(), axis);
    return List.of(x, x.with(DType.I64));
  }
}
