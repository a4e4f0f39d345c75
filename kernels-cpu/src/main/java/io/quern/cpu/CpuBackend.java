package io.quern.cpu;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;

/** The CPU as a device. */
public final class CpuBackend implements Backend {
  static {
    MachineTier.prepare();
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public Probe probe() {
    if (!VmOptions.hasFma()) {
      return new Probe(0, "the CPU has no fused multiply-add, or -XX:-UseFMA is set");
    }
    VectorTier tier = VectorTier.chosen();
    return new Probe(
        1, (tier.usesApi() ? tier.bits() + "-bit vectors: " : "scalar kernels: ") + tier.reason());
  }

  @Override
  public DeviceContext open(int index) {
    return new CpuContext();
  }
}
