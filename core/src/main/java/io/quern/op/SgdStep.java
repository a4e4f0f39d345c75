package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * One step of stochastic gradient descent (Sutskever et al. 2013, in the form of most frameworks):
 *
 * <pre>
 * g = gradient + weightDecay * parameter
 * v = momentum * velocity + g
 * parameter' = parameter - lr * (nesterov ? g + momentum * v : v)
 * </pre>
 *
 * Inputs: parameter, gradient, velocity, [lr]; outputs: parameter', v. The outputs may share memory
 * with parameter and velocity.
 */
public record SgdStep(double momentum, boolean nesterov, double weightDecay) implements Op {
  @Override
  public String name() {
    return "sgd_step";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 4);
    OpCheck.sameDType(name(), inputs);
    TensorSpec parameter = inputs.getFirst();
    OpCheck.floating(name(), parameter);
    OpCheck.shape(name(), "the gradient", inputs.get(1).shape(), parameter.shape());
    OpCheck.shape(name(), "the velocity", inputs.get(2).shape(), parameter.shape());
    OpCheck.shape(name(), "[lr]", inputs.get(3).shape(), Shape.of(1));
    return List.of(parameter, parameter);
  }
}
