package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Matrix product of the last two dimensions, [.., m, k] x [.., k, n] -> [.., m, n]; the leading
 * dimensions broadcast. Elements are fused multiply-adds over k in ascending order.
 */
public record MatMul() implements Op {
  @Override
  public String name() {
    return "matmul";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    Shape left = inputs.get(0).shape();
    Shape right = inputs.get(1).shape();
    OpCheck.numeric(name(), inputs.getFirst());
    OpCheck.require(
        left.rank() >= 2 && right.rank() >= 2,
        name(),
        "needs rank 2 or more on both sides, lhs %s rhs %s",
        left,
        right);
    OpCheck.require(
        left.dim(-1) == right.dim(-2),
        name(),
        "inner dimensions differ, lhs %s rhs %s",
        left,
        right);
    Shape batch =
        ShapeRules.broadcast(
            name(), left.slice(0, left.rank() - 2), right.slice(0, right.rank() - 2));
    return List.of(inputs.getFirst().with(batch.concat(Shape.of(left.dim(-2), right.dim(-1)))));
  }
}
