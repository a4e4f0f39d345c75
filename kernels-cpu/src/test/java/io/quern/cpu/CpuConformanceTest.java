package io.quern.cpu;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;
import io.quern.conformance.Mode;
import io.quern.conformance.Sample;
import java.util.List;

/** The CPU's kernels and tensors against the reference, at the vector width of this JVM. */
class CpuConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.of("cpu");
  }

  /** With vectors of another width, or without what is there, kernels differ, and plans do not. */
  @Override
  protected List<Mode> modes() {
    return isDefault() ? super.modes() : List.of(Mode.PLAN_OPTIMISED);
  }

  @Override
  protected boolean takesTurns() {
    return !Sample.isAll();
  }

  /**
   * JVMs that are started otherwise share the cases: those of 256 bits, of 128 and without machine
   * code take a third each, as does the one without vectors; the mixture without the Vector API
   * takes some. All run all where {@code quern.test.all} is set.
   */
  @Override
  protected boolean runs(int index) {
    if (isDefault() || Sample.isAll()) {
      return true;
    }
    if (!hasVectorApi()) {
      return index % 5 == 0;
    }
    return switch (System.getProperty("quern.vectorBits", "")) {
      case "256" -> index % 3 == 1;
      case "128" -> index % 3 == 2;
      default -> index % 3 == 0;
    };
  }

  /** In such a JVM plans are the same, and kernels are checked by themselves. */
  @Override
  protected boolean computesTensors(int number) {
    return isDefault() || Sample.has(number / 3, 4);
  }

  private static boolean isDefault() {
    return hasVectorApi()
        && System.getProperty("quern.vectorBits", "512").equals("512")
        && System.getProperty("quern.vector") == null
        && System.getProperty("quern.asm") == null;
  }

  private static boolean hasVectorApi() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
  }
}
