package io.quern.op;

import java.util.List;

/**
 * Applies ops to values of some kind: tensors when run at once, graph nodes when traced. A {@link
 * Composite} describes its meaning with it.
 */
public interface OpBuilder<T> {
  /** Applies an op with one output. */
  T apply(Op op, List<T> inputs);

  /** Element type and shape of a value. */
  TensorSpec spec(T value);

  /** Applies an op to one input. */
  default T apply(Op op, T input) {
    return apply(op, List.of(input));
  }

  /** Applies an op to two inputs. */
  default T apply(Op op, T left, T right) {
    return apply(op, List.of(left, right));
  }

  /** A scalar of the dtype of {@code like}. */
  default T constant(T like, double value) {
    return apply(
        new Fill(new TensorSpec(spec(like).dtype(), io.quern.Shape.scalar()), value), List.of());
  }
}
