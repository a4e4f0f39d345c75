package io.quern.op;

import io.quern.Shape;
import java.util.List;

/** Gradient of {@link Conv2d} for its weight. Inputs: images, gradient of the output. */
public record Conv2dWeightGrad(Window window, int groups) implements Op {
  @Override
  public String name() {
    return "conv2d_weight_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    TensorSpec image = inputs.get(0);
    TensorSpec gradient = inputs.get(1);
    OpCheck.rank(name(), "the input", image, 4);
    OpCheck.rank(name(), "the gradient", gradient, 4);
    OpCheck.require(
        groups >= 1 && image.shape().dim(1) % groups == 0,
        name(),
        "%d groups do not divide %d channels",
        groups,
        image.shape().dim(1));
    TensorSpec weight =
        image.with(
            Shape.of(
                gradient.shape().dim(1),
                image.shape().dim(1) / groups,
                window.kernelH(),
                window.kernelW()));
    TensorSpec output = new Conv2d(window, groups).infer(List.of(image, weight)).getFirst();
    OpCheck.shape(name(), "the gradient", gradient.shape(), output.shape());
    return List.of(weight);
  }
}
