package io.quern.cpu;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.CodeMemory;
import io.quern.cpu.asm.MachineFunction;
import io.quern.runtime.Knob;
import io.quern.runtime.Log;
import java.lang.System.Logger.Level;
import java.util.Optional;

/**
 * Decides whether kernels are machine code that this process assembles. They do the same operations
 * in the same order as those of the Vector API, so results have the same bits.
 */
public final class MachineTier {
  private static final Knob ASM =
      Knob.of("quern.asm", "on", "off computes with what the JVM compiles, without machine code");

  private static final Knob AMX =
      Knob.of("quern.amx", "on", "off multiplies bytes and BF16 without tile registers");

  private static final Knob BF16 =
      Knob.of(
          "quern.bf16",
          "auto",
          "on multiplies BF16 by its instructions even where floats are faster; off as floats, with"
              + " the same bits on every CPU");

  /** Too much for the cache that cores share on most machines. */
  private static final long STREAMED_BYTES = 32L << 20;

  /** Apart from the class itself: looking for it takes long. */
  private static final class Found {
    static final Optional<String> REFUSAL = refusal();
  }

  private MachineTier() {}

  /** Begins in the background, unless there is no machine code for this process anyway. */
  static void prepare() {
    if (absence().isEmpty()) {
      CodeMemory.prepare();
    }
  }

  /** Whether there is machine code for this process. */
  public static boolean isUsed() {
    return Found.REFUSAL.isEmpty();
  }

  /** Whether code may use the instructions of AVX-512. */
  public static boolean has512Bits() {
    return isUsed() && VectorTier.chosen().bits() == 512;
  }

  /** Whether code may use the instructions that multiply bytes, in vectors of 512 bits. */
  public static boolean multipliesBytes() {
    return has512Bits() && Cpuid.hasAvx512Vnni();
  }

  /** Apart from the class itself: only products of bytes ask for it. */
  private static final class Tiles {
    static final boolean ARE_USED =
        isOn(AMX) && multipliesBytes() && Cpuid.hasAmxInt8() && CodeMemory.requestTiles();
  }

  /** Whether code may multiply bytes in tile registers. */
  public static boolean hasTiles() {
    return Tiles.ARE_USED;
  }

  /** The same for BF16. */
  public static boolean hasBrainTiles() {
    return BrainFloats.ARE_ALLOWED && hasTiles() && Cpuid.hasAmxBf16();
  }

  /** Apart from the class itself: only products of BF16 ask for it. */
  private static final class BrainFloats {
    static final boolean IS_AUTO = BF16.value().equals("auto");
    static final boolean ARE_ALLOWED = IS_AUTO || isOn(BF16);
    static final boolean ARE_MULTIPLIED = ARE_ALLOWED && has512Bits() && Cpuid.hasAvx512Bf16();
    static final boolean ARE_FAST = ARE_MULTIPLIED && (Cpuid.isAmd() || !IS_AUTO);
  }

  /** Whether code may multiply BF16, in vectors of 512 bits. */
  public static boolean multipliesBrainFloats() {
    return BrainFloats.ARE_MULTIPLIED;
  }

  /** Whether to do so: where floats are not faster. Intel's take twice the time for BF16. */
  public static boolean prefersBrainFloats() {
    return BrainFloats.ARE_FAST;
  }

  /** Whether a result of so many bytes leaves the caches before it is read. */
  public static boolean streams(long bytes) {
    return bytes >= STREAMED_BYTES;
  }

  /** One line about it. */
  static String describe() {
    return Found.REFUSAL
        .map(reason -> "no machine code: " + reason)
        .orElse(
            "machine code" + (hasTiles() ? " with AMX" : multipliesBytes() ? " with VNNI" : ""));
  }

  /** Whether a knob is on; one that has no such value is off, and the log says why. */
  private static boolean isOn(Knob knob) {
    try {
      return knob.isOn();
    } catch (IllegalArgumentException e) {
      Log.get().log(Level.WARNING, "{0}; it counts as off", e.getMessage());
      return false;
    }
  }

  /** Why this process never has any. */
  private static Optional<String> absence() {
    try {
      if (!ASM.isOn()) {
        return Optional.of("switched off by quern.asm=off");
      }
    } catch (IllegalArgumentException e) {
      return Optional.of(e.getMessage());
    }
    String system = System.getProperty("os.name", "");
    String processor = System.getProperty("os.arch", "");
    return system.equals("Linux") && processor.equals("amd64")
        ? Optional.empty()
        : Optional.of("there is none for " + system + " on " + processor);
  }

  /** The instruction sets that the JVM has found tell what code may use. */
  private static Optional<String> refusal() {
    Optional<String> absence = absence();
    if (absence.isPresent()) {
      return absence;
    }
    if (VectorTier.chosen().bits() < 256) {
      return Optional.of("it needs vectors of 256 bits");
    }
    try {
      Assembler probe = new Assembler();
      probe.ret();
      CodeMemory.place(probe.finish()).call(0);
      return Optional.empty();
    } catch (IllegalCallerException | UnsupportedOperationException e) {
      return refused(e);
    } catch (ExceptionInInitializerError e) {
      return refused(e.getCause());
    }
  }

  private static Optional<String> refused(Throwable e) {
    String reason =
        e instanceof IllegalCallerException
            ? "the JVM denies native access; start java with --enable-native-access"
            : String.valueOf(e.getMessage());
    Log.get().log(Level.INFO, "no machine code: {0}", reason);
    return Optional.of(reason);
  }

  /**
   * Places code in memory and gives the function that it is.
   *
   * @param name for the listing in the log, at level TRACE
   */
  public static MachineFunction place(String name, Assembler code) {
    MachineFunction placed = CodeMemory.place(code.finish());
    if (Log.get().isLoggable(Level.TRACE)) {
      String listing = String.join(System.lineSeparator(), code.listing());
      Log.get().log(Level.TRACE, name + " at " + placed + System.lineSeparator() + listing);
    }
    return placed;
  }
}
