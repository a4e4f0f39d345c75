package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.Unary;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Narrow floats are computed by the kernels of F32 and rounded once. */
@Tag("conformance")
class WidenedTest {
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void resultsAreThoseOfF32Rounded(DType dtype) {
    try (var _ = TensorScope.open()) {
      Map<String, String> before = Device.cpu().fallbacks();
      Tensor x = Rng.of(1).normal(37, 130).to(dtype);
      Tensor weight = Rng.of(2).normal(70, 130).to(dtype);
      Tensor product = x.matmul(weight.transpose(0, 1));
      Tensor wide = x.to(DType.F32).matmul(weight.to(DType.F32).transpose(0, 1));
      if (dtype == DType.F16) { // products of BF16 have instructions of their own
        assertThat(product.toByteArray()).isEqualTo(wide.to(dtype).toByteArray());
      }
      assertThat(x.softmax(1).toByteArray())
          .isEqualTo(x.to(DType.F32).softmax(1).to(dtype).toByteArray());
      assertThat(x.map(Unary.Fn.GELU).mul(x).sum(0).dtype()).isEqualTo(dtype);
      assertThat(Device.cpu().fallbacks()).isEqualTo(before);
    }
  }
}
