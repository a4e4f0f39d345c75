package io.quern.opencl;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;
import io.quern.conformance.Sample;
import org.junit.jupiter.api.condition.EnabledIf;

/** The kernels and tensors of an OpenCL device, such as PoCL's, against the reference. */
@EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
class OpenClConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.of("opencl");
  }

  @Override
  protected boolean takesTurns() {
    return !Sample.isAll();
  }

  /** Plans of one op run the kernel that was checked, or that of another device. */
  @Override
  protected boolean computesTensors(int number) {
    return Sample.has(number, 2);
  }
}
