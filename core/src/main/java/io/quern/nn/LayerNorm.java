package io.quern.nn;

import io.quern.Shape;
import io.quern.Tensor;
import java.util.Arrays;

/**
 * Layer normalisation (Ba et al. 2016) over the last dimensions: {@code (x - mean) / sqrt(variance
 * + epsilon) * weight + bias}, with the biased variance of each example. Weights: {@code weight}
 * and {@code bias} of the normalised shape, 1 and 0 at first.
 */
public final class LayerNorm extends Module {
  private static final double EPSILON = 1e-5;

  private final Shape shape;
  private final double epsilon;
  private final Weight weight;
  private final Weight bias;

  private LayerNorm(Shape shape, double epsilon, Init init) {
    Check.require(shape.rank() >= 1, "layer_norm", "the shape needs one dimension or more");
    this.shape = shape;
    this.epsilon = Check.range("layer_norm", "epsilon", epsilon, 0, Double.POSITIVE_INFINITY);
    this.weight = parameter("weight", init.constant("weight", 1, shape.toArray()));
    this.bias = parameter("bias", init.constant("bias", 0, shape.toArray()));
  }

  /** Normalises the last dimensions, which have this shape, with epsilon 1e-5. */
  public static LayerNorm of(long... shape) {
    return of(Shape.of(shape), EPSILON);
  }

  /** Normalises the last dimensions, which have this shape. */
  public static LayerNorm of(Shape shape, double epsilon) {
    return new LayerNorm(shape, epsilon, Init.constants());
  }

  static LayerNorm from(Arguments arguments, Init init) {
    return new LayerNorm(Shape.of(arguments.wholes("shape")), arguments.number("epsilon"), init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of(
        "LayerNorm", "shape", Arrays.stream(shape.toArray()).boxed().toList(), "epsilon", epsilon);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    int leading = input.rank() - shape.rank();
    Check.require(
        leading >= 0 && input.shape().slice(leading, input.rank()).equals(shape),
        "layer_norm",
        "the last dimensions of the input must be " + shape + ", found " + input.shape());
    io.quern.op.LayerNorm op = new io.quern.op.LayerNorm(shape.rank(), epsilon);
    return mode.normalise(input, weight, x -> Tensor.apply(op, x, weight.value(), bias.value()));
  }
}
