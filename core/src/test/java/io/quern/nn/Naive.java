package io.quern.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;

/** What the layer tests share: double-precision inputs and comparisons. */
final class Naive {
  private Naive() {}

  /** Normal numbers of dtype F64. */
  static Tensor normal(long seed, long... shape) {
    return Rng.of(seed).normal(Shape.of(shape), 0, 1, DType.F64, Device.cpu());
  }

  /** The weight of that name in double precision. */
  static double[] weight(Module module, String name) {
    Tensor weight = module.parameters().get(name);
    return (weight == null ? module.buffers().get(name) : weight).toDoubleArray();
  }

  /**
   * Compares elements; sums of some hundred terms near 1 in double precision err less than that.
   */
  static void assertClose(Tensor found, double[] expected) {
    assertThat(found.toDoubleArray()).hasSameSizeAs(expected);
    double[] elements = found.toDoubleArray();
    for (int i = 0; i < expected.length; i++) {
      double tolerance = 1e-12 * Math.max(1, Math.abs(expected[i]));
      assertThat(elements[i]).as("element %s", i).isCloseTo(expected[i], within(tolerance));
    }
  }
}
