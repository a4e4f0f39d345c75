package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import org.junit.jupiter.api.Test;

/** Normalisations as their specification computes them, here in double precision. */
class NormOpsTest {
  private static final double[] X = {1, -2, 3, 0.5, 4, -1, 2.5, 0.25};
  private static final double[] SCALE = {0.5, 2, -1, 1.5};

  private static double[] rms(DType normal) {
    double[] y = new double[X.length];
    for (int i = 0; i < y.length; i++) {
      double square = 0;
      for (int j = 0; j < 4; j++) {
        square += X[i / 4 * 4 + j] * X[i / 4 * 4 + j] / 4;
      }
      double value = X[i] / Math.sqrt(square + 1e-5f);
      y[i] = Tensor.of(new double[] {value}).to(normal).toDoubleArray()[0] * SCALE[i % 4];
    }
    return y;
  }

  /** Rounded to the dtype of x first; a number near a boundary may go to the other side of it. */
  @Test
  void rootMeanSquareHasTheDtypeOfTheScale() {
    DType[][] pairs = {
      {DType.F32, DType.F32},
      {DType.F16, DType.F32},
      {DType.BF16, DType.F32},
      {DType.F32, DType.F16},
      {DType.F64, DType.F32}
    };
    for (DType[] pair : pairs) {
      double epsilon = Math.max(pair[0].epsilon(), pair[1].epsilon());
      new OneNode("RMSNormalization", 23)
          .in(Tensor.of(X, 2, 4).to(pair[0]))
          .in(Tensor.of(SCALE).to(pair[1]))
          .isNear(0, pair[1], 4 * epsilon, rms(pair[0]));
    }
  }

  /** {@code (x - mean) / (sqrt(variance) + 1e-9)}: the small number joins outside of the root. */
  @Test
  void smallVariancesAreOnesAfterMeanVarianceNormalization() {
    double small = 0x1p-20;
    new OneNode("MeanVarianceNormalization", 13)
        .in(Tensor.of(new double[] {small, -small, small, -small}, 1, 1, 2, 2).to(DType.F32))
        .isNear(
            0,
            DType.F32,
            4 * DType.F32.epsilon(),
            small / (small + 1e-9),
            -small / (small + 1e-9),
            small / (small + 1e-9),
            -small / (small + 1e-9));
    new OneNode("MeanVarianceNormalization", 13).in(Tensor.ones(1, 1, 2, 1)).gives(0.0, 0.0);
  }
}
