package io.quern.cpu.asm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/** How functions of 12 longs are called: the one type of call that the JVM has to make ready. */
final class Downcall {
  private Downcall() {}

  /**
   * Calls an address.
   *
   * @throws IllegalCallerException if native access is denied
   * @throws UnsupportedOperationException if the JVM cannot call native functions here
   */
  @SuppressWarnings("restricted")
  static MethodHandle link() {
    MemoryLayout[] parameters = Collections.nCopies(12, JAVA_LONG).toArray(MemoryLayout[]::new);
    return Linker.nativeLinker()
        .downcallHandle(
            FunctionDescriptor.of(JAVA_LONG, parameters), Linker.Option.critical(false));
  }

  /** Has the JVM make it ready in the background: that takes a tenth of a second. */
  static void prepare() {
    Thread.ofPlatform()
        .daemon()
        .name("quern-start")
        .start(
            () -> {
              try {
                var _ = link();
              } catch (IllegalCallerException | UnsupportedOperationException e) {
                // Whoever links it next gets the same, and says so.
              }
            });
  }
}
