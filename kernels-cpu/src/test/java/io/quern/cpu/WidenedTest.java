package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.nn.AvgPool2d;
import io.quern.op.Compare;
import io.quern.op.Conv2d;
import io.quern.op.Unary;
import io.quern.op.Window;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
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

  /** Operands that are too large for a cache are widened some images at a time. */
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void slicesHaveTheBitsOfTheWhole(DType dtype) {
    try (var _ = TensorScope.open()) {
      Tensor x = Rng.of(1).normal(6, 16, 40, 40).to(dtype);
      Tensor perChannel = Rng.of(2).normal(1, 16, 1, 1).to(dtype);
      Tensor one = Rng.of(3).normal(16, 40, 40).to(dtype);
      Tensor depthwise = Rng.of(4).normal(16, 1, 3, 3).to(dtype);
      same(dtype, in -> in[0].mul(in[1]), x, perChannel);
      same(dtype, in -> in[0].add(in[1]), x, one);
      same(
          dtype,
          in -> Tensor.where(in[0].compare(Compare.Fn.GT, in[1]), in[0], in[1]),
          x,
          perChannel);
      same(dtype, in -> AvgPool2d.of(4).forward(in[0]), x);
      same(dtype, in -> Tensor.apply(new Conv2d(Window.of(3), 16), in), x, depthwise);
      Tensor primeRows = Rng.of(5).normal(100_003, 3).to(dtype);
      same(dtype, in -> in[0].neg(), primeRows);
    }
  }

  private static void same(DType dtype, Function<Tensor[], Tensor> function, Tensor... inputs) {
    Tensor[] wide = Stream.of(inputs).map(x -> x.to(DType.F32)).toArray(Tensor[]::new);
    Tensor expected = function.apply(wide).to(dtype);
    assertThat(function.apply(inputs).toByteArray()).isEqualTo(expected.toByteArray());
  }
}
