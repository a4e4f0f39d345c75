package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * One step of Adam (Kingma, Ba 2015), or of AdamW (Loshchilov, Hutter 2019) when {@code decoupled}:
 *
 * <pre>
 * p = decoupled ? parameter - lr * weightDecay * parameter : parameter
 * g = decoupled ? gradient : gradient + weightDecay * parameter
 * m' = beta1 * m + (1 - beta1) * g
 * v' = beta2 * v + (1 - beta2) * g * g
 * parameter' = p - lr / c1 * m' / (sqrt(v' / c2) + epsilon)
 * </pre>
 *
 * Inputs: parameter, gradient, m, v, [lr, c1, c2] with c = 1 - beta^step; outputs: parameter', m',
 * v'. The outputs may share memory with parameter, m and v.
 */
public record AdamStep(
    double beta1, double beta2, double epsilon, double weightDecay, boolean decoupled)
    implements Op {
  @Override
  public String name() {
    return "adam_step";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 5);
    OpCheck.sameDType(name(), inputs);
    TensorSpec parameter = inputs.getFirst();
    OpCheck.floating(name(), parameter);
    OpCheck.shape(name(), "the gradient", inputs.get(1).shape(), parameter.shape());
    OpCheck.shape(name(), "m", inputs.get(2).shape(), parameter.shape());
    OpCheck.shape(name(), "v", inputs.get(3).shape(), parameter.shape());
    OpCheck.shape(name(), "[lr, c1, c2]", inputs.get(4).shape(), Shape.of(3));
    return List.of(parameter, parameter, parameter);
  }
}
