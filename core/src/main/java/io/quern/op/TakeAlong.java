package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Picks single elements along one axis. Inputs: data, indices (I64 or I32) with the data's shape
 * but for the axis. Element {@code [i, j]} of the result along axis 1 is {@code data[i, index[i,
 * j]]}.
 */
public record TakeAlong(int axis) implements Op {
  @Override
  public String name() {
    return "take_along";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    TensorSpec data = inputs.get(0);
    TensorSpec index = inputs.get(1);
    OpCheck.index(name(), index);
    int at = OpCheck.axis(name(), data.shape(), axis);
    OpCheck.rank(name(), "the index", index, data.shape().rank());
    Shape expected = data.shape().with(at, index.shape().dim(at));
    OpCheck.shape(name(), "the index", index.shape(), expected);
    return List.of(data.with(expected));
  }
}
