package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Floats of 16 bits: what has no kernel for them runs on that of F32, in recorded plans too. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class NarrowKernelsTest {
  private final Device device = Device.of("cuda");

  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void widenedStepsOfRecordedPlansKeepTheirMemory(DType dtype) {
    Compiled compiled =
        Quern.compile(
            device,
            in -> List.of(in.getFirst().cumSum(0).sum(1).cumSum(0)),
            List.of(new TensorSpec(dtype, Shape.of(4, 64))));
    assertThat(compiled.plan().kernels()).hasSize(3).allMatch(name -> name.endsWith("_widened"));
    assertThat(compiled.plan().fallbacks()).isEmpty();
    Tensor x = Tensor.full(0, dtype, device, 4, 64);
    Tensor[] in = {x};
    Tensor[] out = {Tensor.full(0, dtype, device, 4)};
    List<Tensor> others = new ArrayList<>();
    for (int value = 0; value < 6; value++) {
      x.copyFrom(Tensor.full(value, dtype, device, 4, 64));
      compiled.runInto(in, out);
      float sum = 64 * value;
      assertThat(out[0].to(DType.F32).toFloatArray())
          .containsExactly(sum, 3 * sum, 6 * sum, 10 * sum);
      for (int i = 0; i < 40; i++) {
        others.add(Tensor.full(7, DType.F32, device, 1 + i, 16));
      }
    }
    for (Tensor other : others) {
      assertThat(other.toFloatArray()).containsOnly(7);
    }
  }
}
