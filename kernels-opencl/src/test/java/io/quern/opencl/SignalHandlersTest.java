package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.lwjgl.system.JNI;

/** What faults in the JVM goes to the JVM's own handlers, whatever a driver's compiler installs. */
class SignalHandlersTest {
  private static final int SIGBUS = 7;
  private static final int SIGFPE = 8;
  private static final int SIGSEGV = 11;

  @Test
  @EnabledOnOs(OS.LINUX)
  @EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
  void handlersAreOfTheJvmAfterKernelsWereCompiled() throws IOException {
    try (Tensor a = Tensor.of(new float[] {1, 2, 3}, 3).to(Device.of("opencl"));
        Tensor b = a.add(a)) {
      assertThat(b.toFloatArray()).containsExactly(2, 4, 6);
    }
    long sigaction =
        Linker.nativeLinker().defaultLookup().find("sigaction").orElseThrow().address();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment action = arena.allocate(256, 8);
      for (int signal : List.of(SIGBUS, SIGFPE, SIGSEGV)) {
        assertThat(JNI.invokePPI(signal, 0L, action.address(), sigaction)).isZero();
        assertThat(fileAt(action.get(ValueLayout.JAVA_LONG, 0)))
            .as("handler of signal %d", signal)
            .endsWith("libjvm.so");
      }
    }
  }

  /** What is mapped at an address, by /proc/self/maps. */
  private static String fileAt(long address) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
      String[] range = line.substring(0, line.indexOf(' ')).split("-", 2);
      if (Long.compareUnsigned(address, Long.parseUnsignedLong(range[0], 16)) >= 0
          && Long.compareUnsigned(address, Long.parseUnsignedLong(range[1], 16)) < 0) {
        return line;
      }
    }
    return "nothing";
  }
}
