package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Gradient of {@link Conv2d} for its images, which have {@code inputShape}. Inputs: weight,
 * gradient of the output.
 */
public record Conv2dInputGrad(Window window, int groups, Shape inputShape) implements Op {
  @Override
  public String name() {
    return "conv2d_input_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    TensorSpec weight = inputs.get(0);
    TensorSpec gradient = inputs.get(1);
    TensorSpec image = weight.with(inputShape);
    TensorSpec output = new Conv2d(window, groups).infer(List.of(image, weight)).getFirst();
    OpCheck.shape(name(), "the gradient", gradient.shape(), output.shape());
    return List.of(image);
  }
}
