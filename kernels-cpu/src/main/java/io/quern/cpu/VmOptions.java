package io.quern.cpu;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Optional;

/** Options of the running VM. */
final class VmOptions {
  private VmOptions() {}

  /** The value of an option, if this is a HotSpot VM that has it. */
  static Optional<String> find(String name) {
    try {
      HotSpotDiagnosticMXBean vm =
          ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
      return vm == null ? Optional.empty() : Optional.of(vm.getVMOption(name).getValue());
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** Whether fused multiply-adds are instructions; without them each one takes microseconds. */
  static boolean hasFma() {
    return find("UseFMA").orElse("true").equals("true");
  }
}
