package io.quern.cpu;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;
import io.quern.conformance.Mode;
import java.util.List;
import java.util.stream.Stream;

/** The CPU's kernels and tensors against the reference, at the vector width of this JVM. */
class CpuConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.of("cpu");
  }

  /** With vectors of another width, or without what is there, kernels differ, and plans do not. */
  @Override
  protected List<Mode> modes() {
    boolean widest = System.getProperty("quern.vectorBits", "512").equals("512");
    boolean all =
        widest
            && hasVectorApi()
            && Stream.of("quern.vector", "quern.asm").allMatch(this::isDefault);
    return all ? super.modes() : List.of(Mode.PLAN_OPTIMISED);
  }

  /** Without the Vector API machine code and scalars are mixed, which others run in full. */
  @Override
  protected int every() {
    return hasVectorApi() ? 1 : 5;
  }

  private static boolean hasVectorApi() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
  }

  private boolean isDefault(String setting) {
    return System.getProperty(setting) == null;
  }
}
