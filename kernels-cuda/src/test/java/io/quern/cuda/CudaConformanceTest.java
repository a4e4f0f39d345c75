package io.quern.cuda;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;
import org.junit.jupiter.api.condition.EnabledIf;

/** The kernels and tensors of a GPU, or of a {@link StandIn}, against the reference. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ to build a stand-in")
class CudaConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.of("cuda");
  }
}
