package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * A chain of elementwise functions in one pass over memory. Inputs: one tensor per input of the
 * program, all of one float dtype; they broadcast. Each function rounds as it does on its own.
 */
public record Fused(ScalarProgram program) implements Composite {
  @Override
  public String name() {
    return "fused";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, Math.max(1, program.inputs()));
    OpCheck.sameDType(name(), inputs);
    TensorSpec first = inputs.getFirst();
    OpCheck.floating(name(), first);
    Shape shape = first.shape();
    for (TensorSpec input : inputs) {
      shape = ShapeRules.broadcast(name(), shape, input.shape());
    }
    return List.of(first.with(shape));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    return program.replay(builder, inputs);
  }
}
