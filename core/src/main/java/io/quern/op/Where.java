package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/**
 * Inputs: condition (BOOL), a, b, broadcast together. Takes a where the condition holds, else b.
 */
public record Where() implements Op {
  @Override
  public String name() {
    return "where";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 3);
    OpCheck.require(
        inputs.getFirst().dtype() == DType.BOOL,
        name(),
        "the condition must be BOOL, found %s",
        inputs.getFirst());
    OpCheck.sameDType(name(), inputs.subList(1, 3));
    Shape values = ShapeRules.broadcast(name(), inputs.get(1).shape(), inputs.get(2).shape());
    return List.of(
        inputs.get(1).with(ShapeRules.broadcast(name(), inputs.getFirst().shape(), values)));
  }
}
