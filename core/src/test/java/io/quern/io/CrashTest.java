package io.quern.io;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Writers that die or run out of space, as processes of their own. */
@EnabledOnOs(value = OS.LINUX, disabledReason = "uses kill -9 and ulimit")
class CrashTest {
  private static final int ELEMENTS = 1 << 16;

  @TempDir Path directory;

  /** Child process: replaces a file again and again by tensors full of 1, 2, 3... */
  public static final class Rewriter {
    private Rewriter() {}

    public static void main(String[] args) {
      for (int version = 1; ; version++) {
        Tensor tensor = Tensor.zeros(ELEMENTS).add(version);
        Safetensors.write(Path.of(args[0]), Map.of("x", tensor), Map.of());
      }
    }
  }

  /** Child process: writes a small file, then tries a large one in its place. */
  public static final class Grower {
    private Grower() {}

    public static void main(String[] args) {
      Path path = Path.of(args[0]);
      Safetensors.write(path, Map.of("x", Tensor.ones(10)), Map.of());
      try {
        Safetensors.write(path, Map.of("x", Tensor.ones(ELEMENTS)), Map.of());
      } catch (UncheckedIOException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  private static List<String> java(Class<?> main, Path file) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-XX:-UsePerfData",
        "-XX:TieredStopAtLevel=1",
        "-Xmx64m",
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        System.getProperty("java.class.path"),
        main.getName(),
        file.toString());
  }

  @Test
  void aKilledWriterLeavesACompleteFile() throws IOException, InterruptedException {
    Path file = directory.resolve("model.safetensors");
    Random random = new Random(1);
    double newest = 0;
    for (int round = 0; round < 5; round++) {
      Process process =
          new ProcessBuilder(java(Rewriter.class, file))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
      while (!Files.exists(file) && System.nanoTime() < deadline) {
        Thread.sleep(5);
      }
      Thread.sleep(100 + random.nextInt(200));
      assertThat(process.isAlive()).isTrue();
      process.destroyForcibly().waitFor();
      double[] elements = Safetensors.read(file).get("x").toDoubleArray();
      assertThat(elements).hasSize(ELEMENTS).containsOnly(elements[0]);
      newest = Math.max(newest, elements[0]);
      try (Stream<Path> left = Files.list(directory)) {
        for (Path each : left.filter(path -> path.toString().endsWith(".tmp")).toList()) {
          Files.delete(each);
        }
      }
    }
    assertThat(newest).as("the file was replaced while it was there").isGreaterThan(1);
  }

  @Test
  void aFullDiskLeavesTheOldFile() throws IOException, InterruptedException {
    Path file = directory.resolve("model.safetensors");
    List<String> command = new ArrayList<>(List.of("bash", "-c", "ulimit -f 64; exec \"$@\"", "-"));
    command.addAll(java(Grower.class, file));
    Process process = new ProcessBuilder(command).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.getErrorStream().readAllBytes();
    assertThat(process.waitFor()).isZero();
    assertThat(output)
        .contains(file + ": cannot be written (IOException: File too large)")
        .contains("the old content is unchanged");
    assertThat(Safetensors.read(file).get("x").size()).isEqualTo(10);
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).containsExactly(file);
    }
  }
}
