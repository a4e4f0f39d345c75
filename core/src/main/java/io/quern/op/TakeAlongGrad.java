package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Gradient of {@link TakeAlong} for data of {@code dataShape}: zeros, to which each element of the
 * gradient is added at its index. Inputs: indices, gradient of the output.
 */
public record TakeAlongGrad(int axis, Shape dataShape) implements Op {
  @Override
  public String name() {
    return "take_along_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    TensorSpec gradient = inputs.get(1);
    OpCheck.floating(name(), gradient);
    TensorSpec data = gradient.with(dataShape);
    TensorSpec output = new TakeAlong(axis).infer(List.of(data, inputs.get(0))).getFirst();
    OpCheck.shape(name(), "the gradient", gradient.shape(), output.shape());
    return List.of(data);
  }
}
