package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Picks slices along one axis. Inputs: data, indices (I64 or I32, any shape); the axis of the data
 * is replaced by the dimensions of the indices. With axis 0 this is an embedding lookup.
 */
public record Gather(int axis) implements Op {
  @Override
  public String name() {
    return "gather";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    TensorSpec data = inputs.get(0);
    OpCheck.index(name(), inputs.get(1));
    Shape shape = data.shape();
    int at = OpCheck.axis(name(), shape, axis);
    return List.of(
        data.with(
            shape
                .slice(0, at)
                .concat(inputs.get(1).shape())
                .concat(shape.slice(at + 1, shape.rank()))));
  }
}
