package io.quern.jmh;

import io.quern.ChildJvm;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.plan.Compiled;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.spi.ToolProvider;

/**
 * Time to the first result, and to steady speed, of a perceptron (784, 512, 512, 10) on one row in
 * a fresh JVM for each sample, from the start of {@code main}. Prints a table of medians.
 *
 * <p>Arguments: samples (default 10), and {@code aot} for JVMs that load their classes from an AOT
 * cache (JEP 514), which one run before makes.
 */
public final class FirstResult {
  private static final List<String> PARTS =
      List.of(
          "open the device",
          "make random weights",
          "trace and plan",
          "run",
          "first result",
          "steady speed");

  private FirstResult() {}

  /** Prints the table. */
  public static void main(String[] args) throws IOException {
    int samples = args.length > 0 ? Integer.parseInt(args[0]) : 10;
    Start start = Start.of(args.length > 1 && args[1].equals("aot"));
    double[][] columns = new double[PARTS.size()][samples];
    for (int i = 0; i < samples; i++) {
      System.err.printf("sample %d of %d%n", i + 1, samples);
      double[] sample = start.sample();
      for (int part = 0; part < sample.length; part++) {
        columns[part][i] = sample[part];
      }
    }
    System.out.println("| From the start of main | median ms | least | most |");
    System.out.println("|---|---|---|---|");
    for (int part = 0; part < columns.length; part++) {
      double[] sorted = columns[part];
      Arrays.sort(sorted);
      System.out.printf(
          Locale.ROOT,
          "| %s | %.0f | %.0f | %.0f |%n",
          PARTS.get(part),
          (sorted[(samples - 1) / 2] + sorted[samples / 2]) / 2,
          sorted[0],
          sorted[samples - 1]);
    }
  }

  /** How a sample's JVM is started. */
  private record Start(List<String> options, String classPath) {
    static Start of(boolean isCached) throws IOException {
      List<String> options =
          new ArrayList<>(ManagementFactory.getRuntimeMXBean().getInputArguments());
      if (!isCached) {
        return new Start(options, System.getProperty("java.class.path"));
      }
      // With modules that are not there by default little of a cache is used.
      options.removeIf(argument -> argument.startsWith("--add-modules"));
      Path directory = Files.createTempDirectory("first-result");
      directory.toFile().deleteOnExit();
      Path cache = directory.resolve("first-result.aot");
      cache.toFile().deleteOnExit();
      String classPath = jars(directory);
      List<String> first = new ArrayList<>(options);
      first.add("-XX:AOTCacheOutput=" + cache);
      var _ = ChildJvm.run(first, classPath, Sample.class);
      options.add("-XX:AOTCache=" + cache);
      return new Start(options, classPath);
    }

    double[] sample() {
      String last =
          ChildJvm.run(options, classPath, Sample.class).lines().reduce("", (_, line) -> line);
      return Arrays.stream(last.split(" ", -1)).mapToDouble(Double::parseDouble).toArray();
    }
  }

  /** The class path with directories as archives: caches are of classes in archives. */
  private static String jars(Path to) {
    ToolProvider jar = ToolProvider.findFirst("jar").orElseThrow();
    List<String> entries = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
      if (Files.isDirectory(Path.of(entry))) {
        Path archive = to.resolve(entries.size() + ".jar");
        jar.run(System.out, System.err, "cf", archive.toString(), "-C", entry, ".");
        archive.toFile().deleteOnExit();
        entries.add(archive.toString());
      } else {
        entries.add(entry);
      }
    }
    return String.join(File.pathSeparator, entries);
  }

  /** Child process: one sample, printed as milliseconds. */
  static final class Sample {
    /** How long the speed is watched. */
    private static final long WATCHED = 3_500_000_000L;

    private static final long WINDOW = 50_000_000L;

    /** Steady is what takes at most this times as long as in the end. */
    private static final double STEADY = 1.25;

    private Sample() {}

    public static void main(String[] args) {
      long start = System.nanoTime();
      Device.cpu();
      long opened = System.nanoTime();
      Rng rng = Rng.of(1);
      Module model =
          Sequential.of(
              Linear.of(784, 512, rng),
              new Relu(),
              Linear.of(512, 512, rng),
              new Relu(),
              Linear.of(512, 10, rng));
      Tensor row = Tensor.zeros(1, 784);
      long made = System.nanoTime();
      Compiled compiled = Quern.compile(model::forward, row.spec());
      long planned = System.nanoTime();
      Tensor[] results = {compiled.run(row)};
      results[0].get(0, 0);
      long first = System.nanoTime();
      double steady = steady(compiled, new Tensor[] {row}, results, start);
      System.out.printf(
          Locale.ROOT,
          "%f %f %f %f %f %f%n",
          (opened - start) / 1e6,
          (made - opened) / 1e6,
          (planned - made) / 1e6,
          (first - planned) / 1e6,
          (first - start) / 1e6,
          steady);
    }

    /** When the last window ended in which a run took longer than it does in the end. */
    private static double steady(Compiled compiled, Tensor[] in, Tensor[] out, long start) {
      double[] means = new double[(int) (WATCHED / WINDOW)];
      for (int i = 0; i < means.length; i++) {
        long begin = System.nanoTime();
        long end = start + (i + 1) * WINDOW;
        int runs = 0;
        long now = begin;
        for (; now < end || runs == 0; runs++) {
          compiled.runInto(in, out);
          now = System.nanoTime();
        }
        means[i] = (double) (now - begin) / runs;
      }
      double[] end = Arrays.copyOfRange(means, means.length - 10, means.length);
      Arrays.sort(end);
      int steady = means.length;
      while (steady > 0 && means[steady - 1] <= STEADY * end[end.length / 2]) {
        steady--;
      }
      return steady * WINDOW / 1e6;
    }
  }
}
