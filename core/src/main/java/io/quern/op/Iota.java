package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/** No inputs; the vector 0, 1, ..., count - 1. */
public record Iota(DType dtype, long count) implements Op {
  @Override
  public String name() {
    return "iota";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 0);
    OpCheck.require(dtype != DType.BOOL, name(), "needs a numeric dtype, found BOOL");
    return List.of(new TensorSpec(dtype, Shape.of(count)));
  }
}
