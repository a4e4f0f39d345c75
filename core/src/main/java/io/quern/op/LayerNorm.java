package io.quern.op;

import io.quern.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Layer normalisation (Ba et al. 2016) over the last {@code dims} dimensions: {@code (x - mean) /
 * sqrt(variance + epsilon) * gamma + beta}, with the biased variance. Inputs: x, gamma, beta; gamma
 * and beta have the shape of the normalised dimensions.
 */
public record LayerNorm(int dims, double epsilon) implements Composite {
  @Override
  public String name() {
    return "layer_norm";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 3);
    OpCheck.sameDType(name(), inputs);
    TensorSpec x = inputs.getFirst();
    OpCheck.floating(name(), x);
    int rank = x.shape().rank();
    OpCheck.require(
        dims >= 1 && dims <= rank, name(), "cannot normalise %d dimensions of %s", dims, x);
    Shape normalised = x.shape().slice(rank - dims, rank);
    OpCheck.shape(name(), "gamma", inputs.get(1).shape(), normalised);
    OpCheck.shape(name(), "beta", inputs.get(2).shape(), normalised);
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
    Op sum = new Reduce(Reduce.Fn.SUM, axes, true);
    Op add = new Binary(Binary.Fn.ADD);
    Op mul = new Binary(Binary.Fn.MUL);
    T perElement = builder.constant(x, 1.0 / count);
    T mean = builder.apply(mul, builder.apply(sum, x), perElement);
    T centred = builder.apply(new Binary(Binary.Fn.SUB), x, mean);
    T squares = builder.apply(new Unary(Unary.Fn.SQUARE), centred);
    T variance = builder.apply(mul, builder.apply(sum, squares), perElement);
    T scale =
        builder.apply(
            new Unary(Unary.Fn.RSQRT), builder.apply(add, variance, builder.constant(x, epsilon)));
    T normalised = builder.apply(mul, centred, scale);
    return builder.apply(add, builder.apply(mul, normalised, inputs.get(1)), inputs.get(2));
  }
}
