package io.quern.cli;

import io.quern.Tensor;
import io.quern.onnx.OnnxModel;
import io.quern.plan.Plan;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows what a model does, step by step. */
@Command(
    name = "dump",
    description = "Show the plan of a model: kernels, shapes, operations and bytes of each step.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class OnnxDumpCommand implements Callable<Integer> {
  private static final int RUNS = 25;

  /** For how long it runs before, until the JVM has compiled all there is. */
  private static final Duration WARM_UP = Duration.ofSeconds(3);

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "MODEL", description = "The model's file.")
  private Path path;

  @Mixin private ModelInputs inputs;

  @Mixin private DeviceOption device;

  @Option(
      names = "--profile",
      description = "Run it on random numbers, and show the median time of each step.")
  private boolean profile;

  private OnnxDumpCommand() {}

  @Override
  public Integer call() {
    OnnxModel model = OnnxModel.load(path).on(device.device());
    Plan plan = model.compile(inputs.specs(model)).plan();
    PrintWriter out = spec.commandLine().getOut();
    out.print(profile ? plan.describe(medians(plan)) : plan.describe());
    plan.fallbacks().forEach(each -> out.println("on a reference kernel: " + each));
    out.flush();
    return CommandLine.ExitCode.OK;
  }

  private static long[] medians(Plan plan) {
    Tensor[] arguments = ModelInputs.random(plan.inputs(), plan.device());
    Tensor[] results = ModelInputs.random(plan.outputs(), plan.device());
    plan.warmUp();
    long start = System.nanoTime();
    while (System.nanoTime() - start < WARM_UP.toNanos()) {
      plan.profile(arguments, results);
    }
    long[][] runs = new long[RUNS][];
    for (int i = 0; i < RUNS; i++) {
      runs[i] = plan.profile(arguments, results);
    }
    long[] medians = new long[plan.steps()];
    for (int step = 0; step < medians.length; step++) {
      int at = step;
      medians[step] = Arrays.stream(runs).mapToLong(run -> run[at]).sorted().toArray()[RUNS / 2];
    }
    return medians;
  }
}
