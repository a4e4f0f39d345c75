package io.quern.jmh;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Processes of the same JVM. */
final class ChildJvm {
  private ChildJvm() {}

  /** The command up to the class path, with the options of this process. */
  static List<String> command() {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    return command;
  }

  /**
   * What a process prints.
   *
   * @throws IllegalStateException with all that it said, when it fails
   */
  static String run(List<String> command) throws IOException, InterruptedException {
    Path log = Files.createTempFile("child", ".log");
    try {
      Process process = new ProcessBuilder(command).redirectError(log.toFile()).start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new IllegalStateException(
            "a benchmark's process failed: " + output + Files.readString(log));
      }
      return output;
    } finally {
      Files.delete(log);
    }
  }
}
