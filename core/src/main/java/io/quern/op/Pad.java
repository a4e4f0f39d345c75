package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Surrounds the input with {@code value}: {@code low} elements before, {@code high} after and
 * {@code interior} between neighbours of each dimension.
 */
public record Pad(List<Long> low, List<Long> high, List<Long> interior, double value)
    implements Op {
  public Pad {
    low = List.copyOf(low);
    high = List.copyOf(high);
    interior = List.copyOf(interior);
  }

  @Override
  public String name() {
    return "pad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec input = inputs.getFirst();
    int rank = input.shape().rank();
    OpCheck.require(
        low.size() == rank && high.size() == rank && interior.size() == rank,
        name(),
        "needs %d amounts for shape %s, found low %s high %s interior %s",
        rank,
        input.shape(),
        low,
        high,
        interior);
    long[] dims = new long[rank];
    for (int d = 0; d < rank; d++) {
      OpCheck.require(
          low.get(d) >= 0 && high.get(d) >= 0 && interior.get(d) >= 0,
          name(),
          "amounts must not be negative, found low %s high %s interior %s",
          low,
          high,
          interior);
      long size = input.shape().dim(d);
      try {
        long inside = Math.multiplyExact(interior.get(d), Math.max(0, size - 1));
        dims[d] =
            Math.addExact(Math.addExact(low.get(d), high.get(d)), Math.addExact(size, inside));
      } catch (ArithmeticException e) {
        throw new IllegalArgumentException(
            "pad: the result would have more than 2^63 - 1 elements: %s with low %s high %s interior %s"
                .formatted(input.shape(), low, high, interior),
            e);
      }
    }
    return List.of(input.with(Shape.of(dims)));
  }
}
