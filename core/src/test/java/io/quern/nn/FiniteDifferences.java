package io.quern.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Tensor;
import java.util.function.Function;

/** Compares gradients with central differences, in double precision. */
final class FiniteDifferences {
  private static final double STEP = 1e-6;

  private FiniteDifferences() {}

  /** Checks the gradient of a scalar function at a point of dtype F64. */
  static void check(Function<Tensor, Tensor> function, Tensor at) {
    assertThat(at.dtype()).isEqualTo(DType.F64);
    Tensor x = at.detach().requireGrad();
    double[] gradient = function.apply(x).backward().get(x).toDoubleArray();
    double[] point = at.toDoubleArray();
    for (int i = 0; i < point.length; i++) {
      double up = value(function, at, point, i, STEP);
      double down = value(function, at, point, i, -STEP);
      double expected = (up - down) / (2 * STEP);
      // Rounding of the two values divided by the step, and the step's square times f'''.
      double tolerance = 1e-15 * (Math.abs(up) + Math.abs(down)) / STEP * 100 + 1e-8;
      assertThat(gradient[i])
          .as("element %s of %s", i, at.shape())
          .isCloseTo(expected, within(tolerance));
    }
  }

  private static double value(
      Function<Tensor, Tensor> function, Tensor like, double[] point, int i, double step) {
    double[] moved = point.clone();
    moved[i] += step;
    return function.apply(Tensor.of(moved).reshape(like.shape())).item();
  }

  /** A tensor of dtype F64. */
  static Tensor doubles(double[] values, long... shape) {
    return Tensor.of(values, shape);
  }
}
