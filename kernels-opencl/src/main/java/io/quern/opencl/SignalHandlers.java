package io.quern.opencl;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.lwjgl.system.JNI;

/**
 * Keeps the JVM's signal handlers during calls of drivers, which install their own. With PoCL's for
 * SIGFPE, an integer division by zero in Java no longer throws; with those of LLVM, which PoCL and
 * other drivers contain, a null check that the JVM leaves to the memory protection makes LLVM
 * delete the files that it is writing, and two of them at once end the process.
 */
final class SignalHandlers {
  /** Signals are numbered from 1 to this, on Linux and macOS. */
  private static final int SIGNALS = 31;

  /** More than the bytes of a struct sigaction anywhere. */
  private static final long ACTION = 256;

  /** Address of sigaction(2); 0 where there is none. */
  private static final long SIGACTION =
      Linker.nativeLinker()
          .defaultLookup()
          .find("sigaction")
          .map(MemorySegment::address)
          .orElse(0L);

  private SignalHandlers() {}

  /** Makes a call, and installs the handlers again that there were before. */
  static synchronized <T> T kept(Supplier<T> call) {
    if (SIGACTION == 0) {
      return call.get();
    }
    try (Arena arena = Arena.ofConfined()) {
      long actions = arena.allocate((SIGNALS + 1) * ACTION, Long.BYTES).address();
      for (int signal = 1; signal <= SIGNALS; signal++) {
        JNI.invokePPI(signal, 0L, actions + signal * ACTION, SIGACTION);
      }
      try {
        return call.get();
      } finally {
        for (int signal = 1; signal <= SIGNALS; signal++) {
          // Of SIGKILL and SIGSTOP it is refused, and needless.
          JNI.invokePPI(signal, actions + signal * ACTION, 0L, SIGACTION);
        }
      }
    }
  }
}
