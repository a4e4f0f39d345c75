package io.quern.nn;

import io.quern.Shape;
import io.quern.Tensor;
import java.util.Arrays;

/**
 * Root mean square normalisation (Zhang, Sennrich 2019) over the last dimensions: {@code x /
 * sqrt(mean(x^2) + epsilon) * weight}. Weights: {@code weight} of the normalised shape, 1 at first.
 */
public final class RmsNorm extends Module {
  private static final double EPSILON = 1e-5;

  private final Shape shape;
  private final double epsilon;
  private final Weight weight;

  private RmsNorm(Shape shape, double epsilon, Init init) {
    Check.require(shape.rank() >= 1, "rms_norm", "the shape needs one dimension or more");
    this.shape = shape;
    this.epsilon = Check.range("rms_norm", "epsilon", epsilon, 0, Double.POSITIVE_INFINITY);
    this.weight = parameter("weight", init.constant("weight", 1, shape.toArray()));
  }

  /** Normalises the last dimensions, which have this shape, with epsilon 1e-5. */
  public static RmsNorm of(long... shape) {
    return of(Shape.of(shape), EPSILON);
  }

  /** Normalises the last dimensions, which have this shape. */
  public static RmsNorm of(Shape shape, double epsilon) {
    return new RmsNorm(shape, epsilon, Init.constants());
  }

  static RmsNorm from(Arguments arguments, Init init) {
    return new RmsNorm(Shape.of(arguments.wholes("shape")), arguments.number("epsilon"), init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of(
        "RmsNorm", "shape", Arrays.stream(shape.toArray()).boxed().toList(), "epsilon", epsilon);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    io.quern.op.RmsNorm op = new io.quern.op.RmsNorm(shape.rank(), epsilon);
    return mode.normalise(input, weight, x -> Tensor.apply(op, x, weight.value()));
  }
}
