package io.quern.op;

import io.quern.DType;
import java.util.List;

/**
 * The {@code count} largest or smallest elements along one axis. Outputs: the values, and for each
 * its position (I64). They are the first ones of {@link Sort}, in its order if sorted, else in the
 * order of their positions.
 */
public record TopK(int axis, long count, boolean largest, boolean sorted) implements Op {
  @Override
  public String name() {
    return "top_k";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec x = inputs.getFirst();
    int at = OpCheck.axis(name(), x.shape(), axis);
    OpCheck.require(
        count >= 0 && count <= x.shape().dim(at),
        name(),
        "axis %d of %s does not have %d elements",
        axis,
        x.shape(),
        count);
    TensorSpec values = x.with(x.shape().with(at, count));
    return List.of(values, values.with(DType.I64));
  }
}
