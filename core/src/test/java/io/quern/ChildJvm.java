package io.quern;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** JVMs with options of their own, for what this one cannot try. */
public final class ChildJvm {
  private ChildJvm() {}

  /**
   * Runs a class of this JVM's class path, which must end with status 0.
   *
   * @return what it printed, without the errors
   * @throws AssertionError with these, if it ends with another status
   */
  public static String run(List<String> options, Class<?> main, String... arguments) {
    return run(options, System.getProperty("java.class.path"), main, arguments);
  }

  /** The same on another class path. */
  public static String run(
      List<String> options, String classPath, Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-XX:-UsePerfData");
    command.addAll(options);
    command.addAll(List.of("-cp", classPath, main.getName()));
    command.addAll(List.of(arguments));
    try {
      Path errors = Files.createTempFile("child", ".txt");
      try {
        Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
        byte[] output = process.getInputStream().readAllBytes();
        int status = process.waitFor();
        if (status != 0) {
          throw new AssertionError(
              command + " ended with status " + status + ": " + Files.readString(errors));
        }
        return new String(output, StandardCharsets.UTF_8).strip();
      } finally {
        Files.delete(errors);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
