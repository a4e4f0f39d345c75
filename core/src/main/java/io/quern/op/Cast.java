package io.quern.op;

import io.quern.DType;
import java.util.List;

/**
 * Converts elements to another type. Float to integer rounds towards zero and saturates (NaN gives
 * 0), integer to narrower integer keeps the low bits, anything to BOOL is {@code x != 0}. With the
 * same type it is a copy in row-major order.
 */
public record Cast(DType dtype) implements Op {
  @Override
  public String name() {
    return "cast";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    return List.of(inputs.getFirst().with(dtype));
  }
}
