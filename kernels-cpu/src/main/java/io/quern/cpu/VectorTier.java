package io.quern.cpu;

import io.quern.runtime.Knob;
import java.util.Optional;

/**
 * Decides whether the Vector API is used and how wide vectors are. This class links to nothing of
 * the incubator module; refusals are checked in order and each names its remedy. Without the API
 * machine code may still use vectors; what there is none for is left to the scalar twins.
 *
 * @param bits vector width in bits, 0 when vectors are switched off
 * @param usesApi whether the Vector API is used
 * @param reason why the width is what it is
 * @param remedy what would make it faster, if anything
 */
public record VectorTier(int bits, boolean usesApi, String reason, Optional<String> remedy) {
  private static final Knob VECTOR =
      Knob.of("quern.vector", "on", "off runs the scalar twins instead of the Vector API");
  private static final Knob BITS =
      Knob.of("quern.vectorBits", "0", "vector width 128, 256 or 512; 0 for the CPU's own");

  private static final String MODULE = "jdk.incubator.vector";
  private static final VectorTier CHOSEN = choose();

  /** The tier of this process. */
  public static VectorTier chosen() {
    return CHOSEN;
  }

  private static VectorTier choose() {
    try {
      return refusal().orElseGet(VectorTier::width);
    } catch (IllegalArgumentException e) {
      return scalar(e.getMessage(), "set it right or leave it out");
    }
  }

  /** The width that was asked for, 0 for the CPU's own. */
  private static int asked() {
    int asked = BITS.intValue(0, 512);
    if (asked != 0 && asked != 128 && asked != 256 && asked != 512) {
      throw new IllegalArgumentException(
          "quern.vectorBits: expected 128, 256 or 512, found " + asked);
    }
    return asked;
  }

  private static Optional<VectorTier> refusal() {
    if (!VECTOR.isOn()) {
      return Optional.of(scalar("switched off by quern.vector=off", "remove quern.vector=off"));
    }
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      return refusal(
          "module " + MODULE + " is not in the boot layer",
          "start java with --add-modules " + MODULE);
    }
    if (VmOptions.find("UseFMA").isEmpty()) {
      return refusal("the VM is not HotSpot", "use a JDK 25 with HotSpot, such as Temurin");
    }
    if (System.getProperty("java.vm.info", "").contains("interpreted mode")) {
      return refusal("the VM runs without its compilers", "remove -Xint");
    }
    if (!VmOptions.find("TieredStopAtLevel").orElse("4").equals("4")) {
      return refusal("the optimising compiler is off", "remove -XX:TieredStopAtLevel");
    }
    return Optional.empty();
  }

  private static VectorTier width() {
    ModuleLayer.boot().findModule(MODULE).ifPresent(VectorTier.class.getModule()::addReads);
    int preferred = Incubator.preferredBits();
    int asked = asked();
    if (preferred < 128) {
      return scalar("the CPU's vectors have only " + preferred + " bits", "use a newer CPU");
    }
    if (asked == 0) {
      return new VectorTier(preferred, true, "the CPU's width", Optional.empty());
    }
    if (asked > preferred) {
      return new VectorTier(
          preferred,
          true,
          "the CPU's width; quern.vectorBits=" + asked + " is more than it has",
          Optional.empty());
    }
    return new VectorTier(
        asked,
        true,
        "set by quern.vectorBits",
        asked < preferred
            ? Optional.of("the CPU has " + preferred + " bits; remove quern.vectorBits")
            : Optional.empty());
  }

  /** No Vector API, and for machine code what the VM has found out about the CPU. */
  private static Optional<VectorTier> refusal(String reason, String remedy) {
    int bytes = VmOptions.find("MaxVectorSize").map(Integer::parseInt).orElse(0);
    int asked = asked();
    int bits = Math.min(8 * bytes, asked == 0 ? 512 : asked);
    return Optional.of(new VectorTier(bits, false, reason, Optional.of(remedy)));
  }

  private static VectorTier scalar(String reason, String remedy) {
    return new VectorTier(0, false, reason, Optional.of(remedy));
  }

  /** Links to the incubator module, so it is loaded only when that is there. */
  private static final class Incubator {
    static int preferredBits() {
      return jdk.incubator.vector.VectorShape.preferredShape().vectorBitSize();
    }
  }
}
