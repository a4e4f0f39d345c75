package io.quern.cli;

import io.quern.DType;
import io.quern.Shape;
import io.quern.onnx.OnnxModel;
import io.quern.op.TensorSpec;
import io.quern.plan.Plan;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
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
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "MODEL", description = "The model's file.")
  private Path path;

  @Option(
      names = "--shape",
      paramLabel = "NAME=1x128",
      description = "The shape of an input, where the model leaves it open; once for each.")
  private Map<String, String> shapes = new HashMap<>();

  private OnnxDumpCommand() {}

  @Override
  public Integer call() {
    OnnxModel model = OnnxModel.load(path);
    List<TensorSpec> specs = new ArrayList<>();
    for (OnnxModel.Parameter input : model.inputs()) {
      specs.add(spec(input));
    }
    Plan plan = model.compile(specs).plan();
    PrintWriter out = spec.commandLine().getOut();
    out.print(plan.describe());
    plan.fallbacks().forEach(each -> out.println("on a reference kernel: " + each));
    out.flush();
    return CommandLine.ExitCode.OK;
  }

  private TensorSpec spec(OnnxModel.Parameter input) {
    DType dtype = input.type() == null ? null : input.type().dtype();
    if (dtype == null) {
      throw new UserException("input " + input + " is not a tensor of numbers");
    }
    String given = shapes.get(input.name());
    List<String> dims = input.dims() == null ? List.of("?") : input.dims();
    if (given != null) {
      dims = List.of(given.split("x", -1));
    }
    try {
      return new TensorSpec(dtype, Shape.of(dims.stream().mapToLong(Long::parseLong).toArray()));
    } catch (IllegalArgumentException e) {
      throw new UserException(
          "input '"
              + input.name()
              + "' has the shape "
              + dims
              + "; give one with --shape, such as --shape "
              + input.name()
              + "=1x128",
          e);
    }
  }
}
