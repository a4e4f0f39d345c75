package io.quern.op;

import java.util.List;

/**
 * Gradient of {@link Pool2d}. Inputs: images, gradient of the output. The gradient of a maximum
 * goes to the first element (in row-major order) that attains it.
 */
public record Pool2dGrad(Pool2d pool) implements Op {
  @Override
  public String name() {
    return pool.name() + "_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    TensorSpec image = inputs.get(0);
    TensorSpec output = pool.infer(List.of(image)).getFirst();
    OpCheck.shape(name(), "the gradient", inputs.get(1).shape(), output.shape());
    return List.of(image);
  }
}
