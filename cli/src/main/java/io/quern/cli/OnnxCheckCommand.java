package io.quern.cli;

import io.quern.onnx.ModelReport;
import io.quern.onnx.OnnxModel;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Tells whether a model can run, without running it. */
@Command(
    name = "check",
    description = "Show the inputs and outputs of a model, and all that it needs and there is not.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class OnnxCheckCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "MODEL", description = "The model's file.")
  private Path path;

  private OnnxCheckCommand() {}

  @Override
  public Integer call() {
    OnnxModel model = OnnxModel.load(path);
    PrintWriter out = spec.commandLine().getOut();
    out.println("opset  " + model.opset());
    model.inputs().forEach(each -> out.println("input  " + each));
    model.outputs().forEach(each -> out.println("output " + each));
    ModelReport report = model.check();
    out.print(report);
    out.flush();
    return report.isSupported() ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
  }
}
