package io.quern.op;

import io.quern.Shape;
import java.util.List;

/** Joins tensors along an axis; all other dimensions are equal. */
public record Concat(int axis) implements Op {
  @Override
  public String name() {
    return "concat";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1, Integer.MAX_VALUE);
    OpCheck.sameDType(name(), inputs);
    TensorSpec first = inputs.getFirst();
    int at = OpCheck.axis(name(), first.shape(), axis);
    long total = 0;
    for (TensorSpec input : inputs) {
      Shape shape = input.shape();
      OpCheck.require(
          shape.rank() == first.shape().rank()
              && shape.with(at, 0).equals(first.shape().with(at, 0)),
          name(),
          "shapes %s and %s differ outside of axis %d",
          first.shape(),
          shape,
          at);
      total += shape.dim(at);
    }
    return List.of(first.with(first.shape().with(at, total)));
  }
}
