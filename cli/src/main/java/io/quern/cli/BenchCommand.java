package io.quern.cli;

import com.sun.management.ThreadMXBean;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.onnx.OnnxModel;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Measures how long a model takes. */
@Command(
    name = "bench",
    description = "Run an ONNX model again and again, and show latencies and allocations.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class BenchCommand implements Callable<Integer> {
  private static final int MOST_RUNS = 1 << 20;

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "MODEL", description = "The model's file.")
  private Path path;

  @Mixin private ModelInputs inputs;

  @Mixin private DeviceOption device;

  @Option(
      names = "--threads",
      paramLabel = "T",
      description = "Threads that compute; otherwise one per core.")
  private @Nullable Integer threads;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      description = "How long to measure; half of it before, to warm up. Default: ${DEFAULT-VALUE}")
  private double seconds = 5;

  private BenchCommand() {}

  @Override
  public Integer call() {
    if (!(seconds > 0) || (threads != null && threads < 1)) {
      throw new UserException("--seconds and --threads must be positive");
    }
    if (threads != null) {
      Workers.setThreads(threads);
    }
    PrintWriter out = spec.commandLine().getOut();
    long start = System.nanoTime();
    Device where = device.device();
    OnnxModel model = OnnxModel.load(path).on(where);
    long loaded = System.nanoTime();
    List<TensorSpec> specs = inputs.specs(model);
    Compiled compiled = model.compile(specs);
    long planned = System.nanoTime();
    Tensor[] arguments = ModelInputs.random(specs, where);
    Tensor[] results = ModelInputs.random(compiled.plan().outputs(), where);
    run(compiled, arguments, results);
    long first = System.nanoTime();
    out.printf(
        "%s -> %s, %d threads%n", specs, compiled.plan().outputs(), Workers.shared().threads());
    out.printf(
        Locale.ROOT,
        "loaded in %.1f ms, planned in %.1f ms, first run %.1f ms%n",
        (loaded - start) / 1e6,
        (planned - loaded) / 1e6,
        (first - planned) / 1e6);
    out.flush();
    compiled.warmUp();
    long[] nanos = new long[MOST_RUNS];
    measure(compiled, arguments, results, seconds / 2, nanos);
    ThreadMXBean allocations = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = allocations.getCurrentThreadAllocatedBytes();
    int runs = measure(compiled, arguments, results, seconds, nanos);
    long allocated = allocations.getCurrentThreadAllocatedBytes() - before;
    print(out, Arrays.copyOf(nanos, runs), allocated);
    return CommandLine.ExitCode.OK;
  }

  /** Runs the model and waits for the device. */
  private static void run(Compiled compiled, Tensor[] arguments, Tensor[] results) {
    compiled.runInto(arguments, results);
    compiled.plan().device().context().finish();
  }

  /** Runs for some seconds; gives the number of runs, one at least. */
  private static int measure(
      Compiled compiled, Tensor[] arguments, Tensor[] results, double seconds, long[] nanos) {
    long now = System.nanoTime();
    long end = now + (long) (seconds * 1e9);
    int runs = 0;
    do {
      run(compiled, arguments, results);
      long then = System.nanoTime();
      nanos[runs++] = then - now;
      now = then;
    } while (now < end && runs < nanos.length);
    return runs;
  }

  private static void print(PrintWriter out, long[] nanos, long allocated) {
    long all = Arrays.stream(nanos).sum();
    Arrays.sort(nanos);
    out.printf(
        Locale.ROOT,
        "%,d runs in %.1f s, %,.1f runs/s%n",
        nanos.length,
        all / 1e9,
        1e9 * nanos.length / all);
    for (double percent : new double[] {50, 90, 99, 99.9, 100}) {
      int at = (int) Math.ceil(percent / 100 * nanos.length) - 1;
      String name = percent == 100 ? "max" : "p" + (percent == 99.9 ? "99.9" : (int) percent);
      out.printf(Locale.ROOT, "%-6s %10.3f ms%n", name, nanos[at] / 1e6);
    }
    out.printf(
        Locale.ROOT,
        "allocated %,d bytes per run by the calling thread%n",
        allocated / nanos.length);
    out.flush();
  }
}
