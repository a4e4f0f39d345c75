package io.quern.cli;

import io.quern.DType;
import io.quern.Shape;
import io.quern.nn.ModelFile;
import io.quern.onnx.OnnxExport;
import io.quern.op.TensorSpec;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes a saved model in the ONNX format. */
@Command(
    name = "export",
    description = "Write a model that Quern has saved in the ONNX format.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class OnnxExportCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "MODEL", description = "The file of ModelFile.save.")
  private Path path;

  @Parameters(index = "1", paramLabel = "OUT.onnx", description = "The file to write.")
  private Path out;

  @Option(
      names = "--shape",
      paramLabel = "1x28x28",
      description = "The shape of one F32 example, where the model's file does not tell.")
  private @Nullable String shape;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "The number of examples; otherwise it is left open.")
  private @Nullable Long batch;

  @Option(names = "--external-data", description = "Put the weights into a file OUT.onnx.data.")
  private boolean external;

  private OnnxExportCommand() {}

  @Override
  public Integer call() {
    ModelFile model = ModelFile.load(path);
    OnnxExport export = OnnxExport.of(model.module(), example(model));
    if (batch != null) {
      export.fixedBatch(batch);
    }
    if (external) {
      export.externalData();
    }
    export.write(out);
    spec.commandLine().getOut().println("wrote " + out);
    spec.commandLine().getOut().flush();
    return CommandLine.ExitCode.OK;
  }

  private TensorSpec example(ModelFile model) {
    if (shape == null) {
      return model
          .input()
          .orElseThrow(
              () -> new UserException(path + " does not tell its input; give one with --shape"));
    }
    try {
      long[] dims = Stream.of(shape.split("x", -1)).mapToLong(Long::parseLong).toArray();
      return new TensorSpec(DType.F32, Shape.of(dims));
    } catch (IllegalArgumentException e) {
      throw new UserException("--shape must be like 1x28x28, found " + shape, e);
    }
  }
}
