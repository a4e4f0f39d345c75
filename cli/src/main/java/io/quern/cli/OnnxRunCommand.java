package io.quern.cli;

import io.quern.Tensor;
import io.quern.io.Npy;
import io.quern.onnx.OnnxModel;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs a model on arrays of NumPy. */
@Command(
    name = "run",
    description = "Run a model on arrays of NumPy, and show or write what it gives.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class OnnxRunCommand implements Callable<Integer> {
  private static final int SHOWN = 8;

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "MODEL", description = "The model's file.")
  private Path path;

  @Option(
      names = "--input",
      paramLabel = "NAME=FILE.npy",
      description = "The array for an input; once for each.")
  private Map<String, Path> inputs = new LinkedHashMap<>();

  @Option(
      names = "--output",
      paramLabel = "FILE.npz",
      description = "Write all outputs to this archive.")
  private @Nullable Path output;

  @Mixin private DeviceOption device;

  private OnnxRunCommand() {}

  @Override
  public Integer call() {
    OnnxModel model = OnnxModel.load(path).on(device.device());
    Map<String, Tensor> arguments = new LinkedHashMap<>();
    inputs.forEach((name, file) -> arguments.put(name, Npy.read(file)));
    Map<String, Tensor> results = model.run(arguments);
    PrintWriter out = spec.commandLine().getOut();
    results.forEach(
        (name, tensor) -> out.println(name + ": " + tensor.spec() + " " + first(tensor)));
    model.nodeByNode().ifPresent(why -> out.println("ran node by node: " + why));
    out.flush();
    if (output != null) {
      Npy.writeArchive(output, results);
    }
    return CommandLine.ExitCode.OK;
  }

  /** The first elements. */
  private static String first(Tensor tensor) {
    double[] all = tensor.toDoubleArray();
    String shown = Arrays.toString(Arrays.copyOf(all, Math.min(SHOWN, all.length)));
    return all.length <= SHOWN ? shown : shown.substring(0, shown.length() - 1) + ", ...]";
  }
}
