package io.quern.op;

import java.util.List;

/** No inputs; every element of the result is {@code value}, converted as by {@link Cast}. */
public record Fill(TensorSpec spec, double value) implements Op {
  @Override
  public String name() {
    return "fill";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 0);
    return List.of(spec);
  }
}
