package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Group normalisation (Wu, He 2018): each group of neighbouring channels of each example is
 * normalised, {@code (x - mean) / sqrt(variance + epsilon)} with the biased variance, then {@code *
 * gamma + beta} per channel. Inputs: x [n, c, ..], gamma [c], beta [c]. One group is a layer norm
 * with weights per channel, c groups are an instance norm.
 */
public record GroupNorm(int groups, double epsilon) implements Composite {
  @Override
  public String name() {
    return "group_norm";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 3);
    OpCheck.sameDType(name(), inputs);
    TensorSpec x = inputs.getFirst();
    OpCheck.floating(name(), x);
    OpCheck.require(x.shape().rank() >= 2, name(), "needs [n, channels, ..], found %s", x);
    long channels = x.shape().dim(1);
    OpCheck.require(
        groups >= 1 && channels % groups == 0,
        name(),
        "%d groups do not divide %d channels",
        groups,
        channels);
    OpCheck.shape(name(), "gamma", inputs.get(1).shape(), Shape.of(channels));
    OpCheck.shape(name(), "beta", inputs.get(2).shape(), Shape.of(channels));
    return List.of(x);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T x = inputs.getFirst();
    Shape shape = builder.spec(x).shape();
    long length = shape.slice(1, shape.rank()).size() / groups;
    Op sum = new Reduce(Reduce.Fn.SUM, List.of(2), true);
    Op add = new Binary(Binary.Fn.ADD);
    Op mul = new Binary(Binary.Fn.MUL);
    T perElement = builder.constant(x, 1.0 / length);
    T rows = builder.apply(new View.Reshape(Shape.of(shape.dim(0), groups, length)), x);
    T mean = builder.apply(mul, builder.apply(sum, rows), perElement);
    T centred = builder.apply(new Binary(Binary.Fn.SUB), rows, mean);
    T squares = builder.apply(new Unary(Unary.Fn.SQUARE), centred);
    T variance = builder.apply(mul, builder.apply(sum, squares), perElement);
    T shifted = builder.apply(add, variance, builder.constant(x, epsilon));
    T scale = builder.apply(new Unary(Unary.Fn.RSQRT), shifted);
    T normalised = builder.apply(new View.Reshape(shape), builder.apply(mul, centred, scale));
    T scaled = builder.apply(mul, normalised, perChannel(builder, inputs.get(1), shape));
    return builder.apply(add, scaled, perChannel(builder, inputs.get(2), shape));
  }

  /** A value per channel, shaped to broadcast to [n, c, ..]. */
  private static <T> T perChannel(OpBuilder<T> builder, T values, Shape shape) {
    long[] dims = new long[shape.rank() - 1];
    java.util.Arrays.fill(dims, 1);
    dims[0] = shape.dim(1);
    return builder.apply(new View.Reshape(Shape.of(dims)), values);
  }
}
