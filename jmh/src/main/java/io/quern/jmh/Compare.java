package io.quern.jmh;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormat;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs our benchmarks on one thread and on two, those with a peer by turns with it ({@link Turns}),
 * others by JMH, and prints Markdown tables: medians with their ratio, the median over all turns,
 * then the quartiles of the turns' ratios and the range of the forks', or of their values. Standard
 * output has nothing but the tables; standard error tells how far it is.
 *
 * <p>Arguments: forks per benchmark (default 5), then parts of the names of lines to run.
 */
public final class Compare {
  private static final int[] THREADS = {1, 2};
  private static final String OURS = "io.quern.jmh.";
  private static final String PEERS = OURS + "peers.";

  /** Networks of the ONNX model zoo. */
  private static final List<String> NETWORKS =
      List.of(
          "bvlc_alexnet",
          "densenet121",
          "inception_v1",
          "inception_v2",
          "resnet50",
          "shufflenet",
          "squeezenet",
          "vgg19",
          "zfnet512");

  private final int forks;
  private final List<Line> lines = new ArrayList<>();

  private Compare(int forks) {
    this.forks = forks;
  }

  /**
   * One line of the table.
   *
   * @param peer the benchmark to compare with, or empty
   * @param value of a score: what is printed
   * @param threads on how many it runs at most
   */
  private record Line(
      String work,
      String unit,
      String ours,
      String peer,
      Map<String, String> parameters,
      DoubleUnaryOperator value,
      int threads) {}

  /**
   * Values of one line on some number of threads.
   *
   * @param ours of the forks, or of the turns in them
   * @param peer of the turns
   * @param ratios of the turns
   * @param forks medians of the turns of each fork
   */
  private record Values(
      List<Double> ours, List<Double> peer, List<Double> ratios, List<Double> forks) {
    Values() {
      this(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    }

    void add(Line line, List<Turns.Pair> turns) {
      turns.forEach(turn -> ours.add(line.value.applyAsDouble(turn.ours())));
      turns.forEach(turn -> peer.add(line.value.applyAsDouble(turn.peer())));
      List<Double> ofFork = turns.stream().map(Turns.Pair::ratio).toList();
      ratios.addAll(ofFork);
      forks.add(quantile(ofFork, 0.5));
    }

    String medians() {
      String ratio = ratios.isEmpty() ? "" : format(quantile(ratios, 0.5), 2) + "x";
      return format(quantile(ours, 0.5), 1)
          + " | "
          + format(quantile(peer, 0.5), 1)
          + " | "
          + ratio
          + " |";
    }

    String ranges() {
      if (ratios.isEmpty()) {
        return range(quantile(ours, 0), quantile(ours, 1), 1) + " | |";
      }
      return range(quantile(ratios, 0.25), quantile(ratios, 0.75), 2)
          + " | "
          + range(quantile(forks, 0), quantile(forks, 1), 2)
          + " |";
    }
  }

  /** Prints the tables. */
  public static void main(String[] args) throws RunnerException, IOException {
    Compare compare = new Compare(args.length > 0 ? Integer.parseInt(args[0]) : 5);
    compare.addLines();
    List<String> wanted = List.of(args).subList(Math.min(1, args.length), args.length);
    compare.lines.removeIf(
        line -> !wanted.isEmpty() && wanted.stream().noneMatch(line.work::contains));
    compare.run();
  }

  private void addLines() throws IOException {
    add("peak", "GFLOP/s", "MachineBenchmark.peak", "", 1e-3 * MachineBenchmark.flops());
    add("read", "GB/s", "MachineBenchmark.read", "", 1e-3 * MachineBenchmark.BYTES);
    for (String shape : shapes()) {
      long[] sizes = MatmulBenchmark.sizes(shape);
      add(
          "matmul " + shape,
          "GFLOP/s",
          "MatmulBenchmark.quern",
          "TorchMatmulBenchmark.libtorch",
          2e-3 * sizes[0] * sizes[1] * sizes[2],
          "shape",
          shape);
    }
    add(
        "bytes peak",
        "GOP/s",
        "ByteMatmulBenchmark.peak",
        "",
        1e-3 * ByteMatmulBenchmark.operations(),
        "shape",
        "512x512x512");
    for (String shape : List.of("512x512x512", "1024x1024x1024", "128x384x1536")) {
      long[] sizes = MatmulBenchmark.sizes(shape);
      add(
          "bytes " + shape,
          "GOP/s",
          "ByteMatmulBenchmark.quern",
          "",
          2e-3 * sizes[0] * sizes[1] * sizes[2],
          "shape",
          shape);
    }
    for (String shape : List.of("512x512x512", "1024x1024x1024")) {
      long[] sizes = MatmulBenchmark.sizes(shape);
      double flops = 2e-3 * sizes[0] * sizes[1] * sizes[2];
      lines.add(
          new Line(
              "bf16 " + shape,
              "GFLOP/s",
              "MatmulBenchmark.quern",
              "",
              Map.of("shape", shape, "dtype", "BF16"),
              score -> flops / score,
              2));
    }
    for (int bits : new int[] {4, 8}) {
      String shape = "1x4096x4096";
      double bytes = 1e-3 * BlockMatmulBenchmark.bytes(shape, bits);
      lines.add(
          new Line(
              "gemv " + bits + "-bit " + shape,
              "GB/s",
              "BlockMatmulBenchmark.quern",
              "",
              Map.of("shape", shape, "bits", Integer.toString(bits)),
              score -> bytes / score,
              2));
    }
    for (String work :
        List.of("copy", "chain", "softmax", "layer_norm", "sum", "chain_sum", "adam")) {
      boolean hasPeer = !work.equals("copy") && !work.equals("adam");
      add(
          "memory " + work.replace('_', ' '),
          "GB/s",
          "MemoryBenchmark.quern",
          hasPeer ? "TorchMemoryBenchmark.libtorch" : "",
          1e-3 * MemoryBenchmark.bytes(work),
          "work",
          work);
    }
    double flops = ConvLayer.read("resnet50").stream().mapToDouble(ConvLayer::flops).sum();
    add(
        "conv resnet50",
        "GFLOP/s",
        "ConvBenchmark.quern",
        "OnnxConvBenchmark.onnxRuntime",
        1e-3 * flops);
    for (String network : List.of("cnn", "mlp")) {
      lines.add(
          new Line(
              "train " + network,
              "images/s",
              "TrainBenchmark.quern",
              "TorchTrainBenchmark.libtorch",
              Map.of("network", network, "precision", "F32"),
              score -> 1e6 * TrainBenchmark.BATCH / score,
              2));
      lines.add(
          new Line(
              "train " + network + " bf16",
              "images/s",
              "TrainBenchmark.quern",
              "",
              Map.of("network", network, "precision", "BF16"),
              score -> 1e6 * TrainBenchmark.BATCH / score,
              2));
    }
    lines.add(
        new Line(
            "plan overhead",
            "ns/step",
            "PlanBenchmark.quern",
            "",
            Map.of("steps", Integer.toString(PlanBenchmark.STEPS)),
            score -> 1e3 * score / PlanBenchmark.STEPS,
            2));
    addTokenizers();
    for (String shape : List.of("1x8", "1x32", "1x128", "8x32", "8x128", "32x128")) {
      long[] dims = OnnxModels.dims(shape);
      addModel("minilm", shape, "tokens/s", dims[0] * dims[1]);
      addModel("minilm-q", shape, "tokens/s", dims[0] * dims[1]);
    }
    NETWORKS.forEach(network -> addModel(network, "1x3x224x224", "images/s", 1));
    for (String network : List.of("resnet50-q", "squeezenet-q", "inception_v1-q")) {
      addModel(network, "1x3x224x224", "images/s", 1);
    }
    addLoading("minilm", "1x32");
    addLoading("resnet50", "1x3x224x224");
  }

  /** From the file to the first result. */
  private void addLoading(String model, String shape) {
    lines.add(
        new Line(
            "load " + model,
            "loads/s",
            "OnnxModelBenchmark.load",
            "OnnxRuntimeBenchmark.load",
            Map.of("model", model, "shape", shape),
            score -> 1e6 / score,
            1));
  }

  private void addModel(String model, String shape, String unit, long perRun) {
    lines.add(
        new Line(
            "onnx " + model + " " + shape,
            unit,
            "OnnxModelBenchmark.quern",
            "OnnxRuntimeBenchmark.onnxRuntime",
            Map.of("model", model, "shape", shape),
            score -> 1e6 * perRun / score,
            2));
  }

  private void addTokenizers() {
    for (String text : List.of("prose", "mixed")) {
      double bytes = TokenizerBenchmark.bytes(text);
      for (String model : List.of("wordpiece", "bpe", "unigram")) {
        lines.add(
            new Line(
                "tokenize " + model + " " + text,
                "MB/s",
                "TokenizerBenchmark.quern",
                "HuggingFaceBenchmark.rust",
                Map.of("model", model, "text", text),
                score -> bytes / score,
                1));
      }
    }
  }

  private static List<String> shapes() throws IOException {
    Path file = Path.of(System.getProperty("quern.jmh.shapes", "jmh/shapes"), "matmul.txt");
    return Files.readAllLines(file).stream().filter(line -> !line.startsWith("#")).toList();
  }

  /** A line of a rate: {@code amount} over microseconds. */
  private void add(
      String work, String unit, String ours, String peer, double amount, String... parameter) {
    Map<String, String> parameters =
        parameter.length == 0 ? Map.of() : Map.of(parameter[0], parameter[1]);
    lines.add(new Line(work, unit, ours, peer, parameters, score -> amount / score, 2));
  }

  private void run() throws RunnerException {
    List<String> ranges = new ArrayList<>();
    System.out.println("| Work | Unit | 1 thread | peer | ratio | 2 threads | peer | ratio |");
    System.out.println("|---|---|---|---|---|---|---|---|");
    for (Line line : lines) {
      StringBuilder medians = new StringBuilder("| " + line.work + " | " + line.unit + " |");
      StringBuilder range = new StringBuilder("| " + line.work + " |");
      for (int threads : THREADS) {
        Values values = values(line, threads);
        medians.append(' ').append(values.medians());
        range.append(' ').append(values.ranges());
      }
      System.out.println(medians);
      ranges.add(range.toString());
    }
    System.out.println();
    System.out.println("| Ratios of " + forks + " forks | 1 thread | forks | 2 threads | forks |");
    System.out.println("|---|---|---|---|---|");
    ranges.forEach(System.out::println);
  }

  private Values values(Line line, int threads) throws RunnerException {
    Values values = new Values();
    String peer = PEERS + line.peer;
    boolean hasPeer =
        !line.peer.isEmpty() && Turns.exists(peer.substring(0, peer.lastIndexOf('.')));
    for (int fork = 1; fork <= forks && threads <= line.threads; fork++) {
      System.err.printf("%s, threads: %d, fork %d of %d%n", line.work, threads, fork, forks);
      if (hasPeer) {
        values.add(line, Turns.measure(OURS + line.ours, peer, line.parameters, threads));
      } else {
        measure(line, threads, values.ours);
      }
    }
    return values;
  }

  /** Adds the value of one fork. */
  private static void measure(Line line, int threads, List<Double> values) throws RunnerException {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include((OURS + line.ours).replace(".", "\\.") + "$")
            .forks(1)
            .warmupIterations(3)
            .warmupTime(TimeValue.seconds(1))
            .measurementIterations(3)
            .measurementTime(TimeValue.seconds(1))
            .param("workers", Integer.toString(threads));
    line.parameters.forEach(options::param);
    for (RunResult result : quietly(options.build())) {
      values.add(line.value.applyAsDouble(result.getPrimaryResult().getScore()));
    }
  }

  /** Runs a fork; what it says is shown only when it has failed. */
  private static Collection<RunResult> quietly(Options options) throws RunnerException {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream log = new PrintStream(said, true, StandardCharsets.UTF_8);
    PrintStream terminal = System.err;
    System.setErr(log);
    try {
      OutputFormat format = OutputFormatFactory.createFormatInstance(log, VerboseMode.NORMAL);
      Collection<RunResult> results = new Runner(options, format).run();
      if (results.isEmpty() && said.size() > 0) {
        terminal.println(said.toString(StandardCharsets.UTF_8));
      }
      return results;
    } finally {
      System.setErr(terminal);
    }
  }

  /** Between the two nearest, in proportion; NaN of none. */
  private static double quantile(List<Double> values, double part) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    if (sorted.length == 0) {
      return Double.NaN;
    }
    double at = part * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }

  private static String range(double least, double most, int digits) {
    return Double.isNaN(least) ? "" : format(least, digits) + "-" + format(most, digits);
  }

  private static String format(double value, int digits) {
    return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%." + digits + "f", value);
  }
}
