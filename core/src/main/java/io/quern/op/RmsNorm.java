package io.quern.op;

import io.quern.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Root mean square normalisation (Zhang, Sennrich 2019) over the last {@code dims} dimensions:
 * {@code x / sqrt(mean(x^2) + epsilon) * gamma}. Inputs: x, gamma; gamma has the shape of the
 * normalised dimensions.
 */
public record RmsNorm(int dims, double epsilon) implements Composite {
  @Override
  public String name() {
    return "rms_norm";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    TensorSpec x = inputs.getFirst();
    OpCheck.floating(name(), x);
    int rank = x.shape().rank();
    OpCheck.require(
        dims >= 1 && dims <= rank, name(), "cannot normalise %d dimensions of %s", dims, x);
    OpCheck.shape(name(), "gamma", inputs.get(1).shape(), x.shape().slice(rank - dims, rank));
    return List.of(x);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T x = inputs.getFirst();
    Shape shape = builder.spec(x).shape();
    List<Integer> axes = new ArrayList<>();
    long count = 1;
    for (int axis = shape.rank() - dims; axis < shape.rank(); axis++) {
      axes.add(axis);
      count *= shape.dim(axis);
    }
    Op mul = new Binary(Binary.Fn.MUL);
    T squares = builder.apply(new Unary(Unary.Fn.SQUARE), x);
    T sum = builder.apply(new Reduce(Reduce.Fn.SUM, axes, true), squares);
    T mean = builder.apply(mul, sum, builder.constant(x, 1.0 / count));
    T shifted = builder.apply(new Binary(Binary.Fn.ADD), mean, builder.constant(x, epsilon));
    T scale = builder.apply(new Unary(Unary.Fn.RSQRT), shifted);
    return builder.apply(mul, builder.apply(mul, x, scale), inputs.get(1));
  }
}
