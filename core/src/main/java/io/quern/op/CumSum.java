package io.quern.op;

import java.util.List;

/**
 * Running sums along one axis: element i is the sum of the elements 0 to i, or of those before i if
 * exclusive. In reverse, the sums run from the end. Elements are added one after the other;
 * integers wrap around.
 */
public record CumSum(int axis, boolean exclusive, boolean reverse) implements Op {
  @Override
  public String name() {
    return "cum_sum";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    OpCheck.numeric(name(), inputs.getFirst());
    OpCheck.axis(name(), inputs.getFirst().shape(), axis);
    return inputs;
  }
}
