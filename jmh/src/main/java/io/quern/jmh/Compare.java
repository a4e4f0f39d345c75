package io.quern.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs our benchmarks and those of the peers in turns, a fork of each after a fork of the other,
 * and prints one table of medians over the forks and their ratio. Machines drift; what is compared
 * has run within the same minute.
 *
 * <p>Arguments: forks per benchmark (default 5), then parts of the names of lines to run.
 */
public final class Compare {
  private final int forks;
  private final List<Line> lines = new ArrayList<>();

  private Compare(int forks) {
    this.forks = forks;
  }

  /** One line of the table. */
  private record Line(
      String name, String ours, String peer, Map<String, String> parameters, double scale) {
    /** Whether scores are times; otherwise they are rates. */
    boolean isTime() {
      return scale != 1;
    }
  }

  /** Prints the table. */
  public static void main(String[] args) throws RunnerException, IOException {
    Compare compare = new Compare(args.length > 0 ? Integer.parseInt(args[0]) : 5);
    compare.addLines();
    List<String> wanted = List.of(args).subList(Math.min(1, args.length), args.length);
    System.out.printf(
        Locale.ROOT, "%-40s %12s %12s %8s  %s%n", "", "quern", "peer", "ratio", "unit");
    for (Line line : compare.lines) {
      if (wanted.isEmpty() || wanted.stream().anyMatch(line.name::contains)) {
        compare.run(line);
      }
    }
  }

  private void addLines() throws IOException {
    for (String workers : List.of("1", "2")) {
      for (String shape : shapes()) {
        long[] sizes = MatmulBenchmark.sizes(shape);
        add(
            "matmul " + shape,
            "MatmulBenchmark.quern",
            "TorchMatmulBenchmark.libtorch",
            workers,
            Map.of("shape", shape),
            2e-3 * sizes[0] * sizes[1] * sizes[2]);
      }
      for (String work : List.of("copy", "chain", "softmax", "layer_norm", "sum", "adam")) {
        boolean hasPeer = !work.equals("copy") && !work.equals("adam");
        add(
            "memory " + work,
            "MemoryBenchmark.quern",
            hasPeer ? "TorchMemoryBenchmark.libtorch" : "",
            workers,
            Map.of("work", work),
            1e-3 * MemoryBenchmark.bytes(work));
      }
      double flops = ConvLayer.read("resnet50").stream().mapToDouble(ConvLayer::flops).sum();
      add(
          "conv resnet50",
          "io.quern.jmh.ConvBenchmark.quern",
          "OnnxConvBenchmark.onnxRuntime",
          workers,
          Map.of(),
          1e-3 * flops);
      for (String network : List.of("cnn", "mlp")) {
        add(
            "train " + network,
            "io.quern.jmh.TrainBenchmark.quern",
            "TorchTrainBenchmark.libtorch",
            workers,
            Map.of("network", network),
            1);
      }
    }
  }

  private static List<String> shapes() throws IOException {
    Path file = Path.of(System.getProperty("quern.jmh.shapes", "jmh/shapes"), "matmul.txt");
    return Files.readAllLines(file).stream().filter(line -> !line.startsWith("#")).toList();
  }

  /** {@code scale} over microseconds is the score to print: GFLOP/s or GB/s. */
  private void add(
      String name,
      String ours,
      String peer,
      String workers,
      Map<String, String> parameters,
      double scale) {
    Map<String, String> all = new LinkedHashMap<>(parameters);
    all.put("workers", workers);
    lines.add(new Line(name + ", " + workers + " threads", ours, peer, all, scale));
  }

  private void run(Line line) throws RunnerException {
    List<Double> ours = new ArrayList<>();
    List<Double> peer = new ArrayList<>();
    for (int i = 0; i < forks; i++) {
      ours.add(score(line, line.ours));
      if (!line.peer.isEmpty()) {
        peer.add(score(line, line.peer));
      }
    }
    String unit = !line.isTime() ? "images/s" : line.name.startsWith("memory") ? "GB/s" : "GFLOP/s";
    double own = median(ours);
    if (peer.isEmpty() || Double.isNaN(median(peer))) {
      System.out.printf(Locale.ROOT, "%-40s %12.1f %21s  %s%n", line.name, own, "", unit);
      return;
    }
    double other = median(peer);
    System.out.printf(
        Locale.ROOT,
        "%-40s %12.1f %12.1f %7.2fx  %s  forks %s to %s%n",
        line.name,
        own,
        other,
        own / other,
        unit,
        format(Collections.min(ours)) + "-" + format(Collections.max(ours)),
        format(Collections.min(peer)) + "-" + format(Collections.max(peer)));
  }

  private static String format(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }

  /** The score of one fork, larger is better; NaN when the benchmark is not there. */
  private static double score(Line line, String benchmark) throws RunnerException {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("\\b" + benchmark.replace(".", "\\.") + "$")
            .forks(1)
            .warmupIterations(3)
            .warmupTime(TimeValue.seconds(1))
            .measurementIterations(3)
            .measurementTime(TimeValue.seconds(1))
            .verbosity(VerboseMode.SILENT);
    line.parameters.forEach(options::param);
    Collection<RunResult> results = new Runner(options.build()).run();
    for (RunResult result : results) {
      double score = result.getPrimaryResult().getScore();
      return line.isTime() ? line.scale / score : score;
    }
    return Double.NaN;
  }

  private static double median(List<Double> values) {
    List<Double> sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(middle)
        : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }
}
