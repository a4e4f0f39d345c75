package io.quern.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.LONG;

import io.quern.Batch;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.runtime.HostMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * Trains in a process of its own without ever closing a tensor or opening a scope: memory must stay
 * flat all the same. A step makes some 100 KiB of tensors, so a leak of the bounded run exceeds the
 * memory that the process may take several times. The heap is touched beforehand, so that what
 * grows is native memory.
 */
@EnabledOnOs(value = OS.LINUX, disabledReason = "reads /proc/self/status")
class SoakTest {
  private static final int BOUNDED = 2_000;
  private static final int FULL = 100_000;
  private static final int SAMPLES = 100;

  /** More than parameters and optimiser take, much less than one step makes. */
  private static final long MODEL_BYTES = 16 << 10;

  @TempDir Path directory;

  @Test
  void memoryStaysFlatOverSomeSteps() throws IOException, InterruptedException {
    // A small young generation is collected so often that a short run is warm after its first half,
    // and the optimising compiler, which takes memory for a while, would not be done by then.
    assertFlat(
        Integer.getInteger("quern.soak.steps", BOUNDED), "-Xmn8m", "-XX:TieredStopAtLevel=1");
  }

  @Test
  @Tag("soak")
  void memoryStaysFlatOverManySteps() throws IOException, InterruptedException {
    assertFlat(Integer.getInteger("quern.soak.steps", FULL), "-Xms128m");
  }

  private void assertFlat(int steps, String... options) throws IOException, InterruptedException {
    Path errors = directory.resolve("errors");
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-Xms128m",
                "-XX:+AlwaysPreTouch"));
    command.addAll(List.of(options));
    command.addAll(
        List.of(
            "--add-modules",
            "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Loop.class.getName(),
            Integer.toString(steps)));
    Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(() -> content(errors)).isZero();
    List<Long> samples = numbers("sample ", output);
    assertThat(samples).hasSize(SAMPLES);
    long warm = largest(samples.subList(0, SAMPLES / 2));
    long later = largest(samples.subList(SAMPLES / 2, SAMPLES));
    assertThat(later)
        .as("resident bytes in the second half, after %s in the first", warm)
        .isLessThanOrEqualTo(warm * 105 / 100);
    assertThat(numbers("left ", output))
        .as("bytes of tensors left in the end")
        .singleElement(LONG)
        .isLessThan(MODEL_BYTES);
  }

  private static List<Long> numbers(String prefix, String output) {
    return output
        .lines()
        .filter(line -> line.startsWith(prefix))
        .map(line -> Long.parseLong(line.substring(prefix.length())))
        .toList();
  }

  private static String content(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long largest(List<Long> samples) {
    return samples.stream().mapToLong(Long::longValue).max().orElseThrow();
  }

  /** Child process: trains and prints its memory from time to time. */
  static final class Loop {
    private Loop() {}

    public static void main(String[] args) throws IOException, InterruptedException {
      int steps = Math.max(SAMPLES, Integer.parseInt(args[0]));
      Rng rng = Rng.of(1);
      Module model = Sequential.of(Linear.of(8, 32, rng), new Relu(), Linear.of(32, 4, rng));
      Optimizer adam = Adam.of(model.parameters(), 1e-3);
      long[] labels = new long[64];
      for (int step = 1; step <= steps; step++) {
        Batch batch = new Batch(rng.normal(64, 8), Tensor.of(labels));
        Tensor prediction = model.forward(batch.input(), Mode.training(rng));
        Tensor loss = Losses.crossEntropy(prediction, batch.target());
        adam.step(loss.backward());
        if (step % (steps / SAMPLES) == 0) {
          System.out.println("sample " + residentBytes());
        }
      }
      long left = HostMemory.shared().usage().live();
      for (int i = 0; i < 50 && left >= MODEL_BYTES; i++) {
        System.gc();
        Thread.sleep(10); // the Cleaner's thread needs a moment
        left = HostMemory.shared().usage().live();
      }
      System.out.println("left " + left);
    }

    private static long residentBytes() throws IOException {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
          .findFirst()
          .orElseThrow();
    }
  }
}
