package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/** What is found, in JVMs of their own: a process looks for the library once. */
class LibraryTest {
  /** Prints what is found. */
  static final class Probe {
    private Probe() {}

    public static void main(String[] args) {
      System.out.println(new OpenClBackend().probe());
    }
  }

  private static String probe(Map<String, String> environment, String... options)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Probe.class.getName()));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  @Test
  void aMissingLibraryIsOnlyTold() throws Exception {
    assertThat(probe(Map.of(), "-Dquern.opencl.library=/nowhere/libOpenCL.so"))
        .contains("devices=0")
        .contains("no OpenCL library was found (looked for /nowhere/libOpenCL.so)")
        .contains("install the driver")
        .doesNotContain("Exception", "WARNING");
  }

  @Test
  @EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
  void aLibraryWithoutDriversIsOnlyTold(@TempDir Path empty) throws Exception {
    assertThat(probe(Map.of("OCL_ICD_VENDORS", empty.toString())))
        .contains("devices=0")
        .contains("no OpenCL driver has a device")
        .doesNotContain("Exception", "WARNING");
  }

  @Test
  void itCanBeSwitchedOff() throws Exception {
    assertThat(probe(Map.of(), "-Dquern.opencl=off")).contains("switched off by quern.opencl");
  }
}
