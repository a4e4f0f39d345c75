package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.onnx.OnnxValue;
import org.junit.jupiter.api.Test;

/** What may differ, and what may not. */
class OnnxComparisonTest {
  private static boolean isNear(DType dtype, double expected, double found) {
    OnnxComparison comparison = new OnnxComparison();
    comparison.compare("y", value(dtype, expected), value(dtype, found));
    return comparison.problem().isEmpty();
  }

  private static OnnxValue value(DType dtype, double number) {
    return OnnxValue.of(Tensor.of(new double[] {number}).to(dtype));
  }

  @Test
  void shortFloatsMayDifferByTwoUnits() {
    double unit = DType.BF16.epsilon();
    assertThat(isNear(DType.BF16, 1, 1 + 2 * unit)).isTrue();
    assertThat(isNear(DType.BF16, 1, 1 + 3 * unit)).isFalse();
  }

  @Test
  void otherNumbersMayDifferByAThousandth() {
    for (DType dtype : new DType[] {DType.F16, DType.F32, DType.F64}) {
      assertThat(isNear(dtype, 1, 1 + 0x1p-10)).isTrue();
      assertThat(isNear(dtype, 1, 1 + 0x1p-9)).isFalse();
    }
    assertThat(isNear(DType.I32, 1000, 1001)).isTrue();
    assertThat(isNear(DType.I32, 1, 2)).isFalse();
  }
}
