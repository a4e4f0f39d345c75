package io.quern.cpu;

import io.quern.runtime.Knob;
import java.util.Optional;

/**
 * Decides whether the Vector API is used and how wide. This class links to nothing of the incubator
 * module; refusals are checked in order and each names its remedy.
 *
 * @param bits vector width in bits, 0 for the scalar twins
 * @param reason why the width is what it is
 * @param remedy what would make it faster, if anything
 */
public record VectorTier(int bits, String reason, Optional<String> remedy) {
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

  /** Whether vectors are used. */
  public boolean isVector() {
    return bits > 0;
  }

  private static VectorTier choose() {
    if (!VECTOR.isOn()) {
      return scalar("switched off by quern.vector=off", "remove quern.vector=off");
    }
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      return scalar(
          "module " + MODULE + " is not in the boot layer",
          "start java with --add-modules " + MODULE);
    }
    String compiler = System.getProperty("java.vm.info", "");
    if (!System.getProperty("java.vm.name", "").contains("HotSpot")
        && !System.getProperty("java.vm.name", "").contains("OpenJDK")) {
      return scalar("the VM is not HotSpot", "use a HotSpot JDK 25");
    }
    if (compiler.contains("interpreted mode")) {
      return scalar("the VM runs without its compilers", "remove -Xint");
    }
    CpuModule.readVectorModule();
    int preferred = Lanes.preferredBits();
    if (preferred < 128) {
      return scalar("the CPU's vectors have only " + preferred + " bits", "use a newer CPU");
    }
    int asked = BITS.intValue(0, 512);
    int bits = asked == 0 ? preferred : asked;
    if (bits != 128 && bits != 256 && bits != 512) {
      throw new IllegalArgumentException(
          "quern.vectorBits: expected 128, 256 or 512, found " + bits);
    }
    if (bits > preferred) {
      return new VectorTier(
          preferred,
          "the CPU's width; quern.vectorBits=" + asked + " is more than it has",
          Optional.empty());
    }
    return new VectorTier(
        bits,
        asked == 0 ? "the CPU's width" : "set by quern.vectorBits",
        bits < preferred
            ? Optional.of("the CPU has " + preferred + " bits; remove quern.vectorBits")
            : Optional.empty());
  }

  private static VectorTier scalar(String reason, String remedy) {
    return new VectorTier(0, reason, Optional.of(remedy));
  }

  /** Questions to the incubator module, asked only when it is there. */
  private static final class Lanes {
    static int preferredBits() {
      return jdk.incubator.vector.VectorShape.preferredShape().vectorBitSize();
    }
  }

  /** Readability of the incubator module, which is a static requirement. */
  private static final class CpuModule {
    static void readVectorModule() {
      Module self = VectorTier.class.getModule();
      ModuleLayer.boot().findModule(MODULE).ifPresent(self::addReads);
    }
  }
}
