package io.quern.cuda;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;
import io.quern.conformance.Mode;
import io.quern.conformance.Sample;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIf;

/** The kernels and tensors of a GPU, or of a {@link StandIn}, against the reference. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class CudaConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.of("cuda");
  }

  /** Whether the number is that of this process, of several that share the cases. */
  @Override
  protected boolean isOwn(int number) {
    return number % Integer.getInteger("quern.gpu.parts", 1)
        == Integer.getInteger("quern.gpu.part", 0);
  }

  /** The stand-in is slow, and the kernels are the same in every mode. */
  @Override
  protected List<Mode> modes() {
    return StandIn.isUsed() ? List.of(Mode.PLAN_OPTIMISED) : super.modes();
  }

  /**
   * Plans of one op run the kernel that was checked, or that of another device: with the stand-in
   * every third of them does.
   */
  @Override
  protected boolean computesTensors(int number) {
    return !StandIn.isUsed() || Sample.has(number, 3);
  }
}
