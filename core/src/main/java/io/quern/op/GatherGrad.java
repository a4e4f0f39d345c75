package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Gradient of {@link Gather} for data of {@code dataShape}: adds each slice of the gradient at its
 * index, in the order of the indices. Inputs: indices, gradient of the output.
 */
public record GatherGrad(int axis, Shape dataShape) implements Op {
  @Override
  public String name() {
    return "gather_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    TensorSpec gradient = inputs.get(1);
    OpCheck.floating(name(), gradient);
    TensorSpec data = gradient.with(dataShape);
    TensorSpec output = new Gather(axis).infer(List.of(data, inputs.get(0))).getFirst();
    OpCheck.shape(name(), "the gradient", gradient.shape(), output.shape());
    return List.of(data);
  }
}
