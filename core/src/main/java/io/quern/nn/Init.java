package io.quern.nn;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.TensorSpec;

/** Where layers get the initial values of their weights from. */
abstract class Init {
  /** Random values as in PyTorch's layers, in the order of the calls. */
  static Init random(Rng rng) {
    return new Random(rng);
  }

  /** For layers whose weights do not start at random. */
  static Init constants() {
    return new Random(Rng.of(0));
  }

  /** The source for an inner module of that name. */
  abstract Init inner(String name);

  /** Uniform numbers in [-bound, bound]. */
  abstract Tensor uniform(String name, double bound, long... shape);

  /** Normal numbers with mean 0 and variance 1. */
  abstract Tensor normal(String name, long... shape);

  /** Elements that all are {@code value}. */
  abstract Tensor constant(String name, double value, TensorSpec spec);

  /** F32 elements that all are {@code value}. */
  final Tensor constant(String name, double value, long... shape) {
    return constant(name, value, new TensorSpec(DType.F32, Shape.of(shape)));
  }

  /**
   * He et al. 2015 ("Kaiming uniform") with a slope of sqrt(5), which is a bound of 1 /
   * sqrt(fanIn).
   */
  final Tensor kaiming(String name, long fanIn, long... shape) {
    return uniform(name, 1 / Math.sqrt((double) Math.max(1, fanIn)), shape);
  }

  private static final class Random extends Init {
    private final Rng rng;

    Random(Rng rng) {
      this.rng = rng;
    }

    @Override
    Init inner(String name) {
      return this;
    }

    @Override
    Tensor uniform(String name, double bound, long... shape) {
      return rng.uniform(Shape.of(shape), -bound, bound);
    }

    @Override
    Tensor normal(String name, long... shape) {
      return rng.normal(shape);
    }

    @Override
    Tensor constant(String name, double value, TensorSpec spec) {
      return Tensor.full(value, spec.dtype(), Device.cpu(), spec.shape().toArray());
    }
  }
}
