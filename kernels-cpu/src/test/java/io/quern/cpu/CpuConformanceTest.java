package io.quern.cpu;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;

/** The CPU's kernels and tensors against the reference, at the vector width of this JVM. */
class CpuConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.of("cpu");
  }
}
