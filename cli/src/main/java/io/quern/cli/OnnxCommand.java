package io.quern.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Commands about models of the ONNX format. */
@Command(
    name = "onnx",
    description = "Look at ONNX models, run them, write them and test how they run.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      OnnxCheckCommand.class,
      OnnxRunCommand.class,
      OnnxExportCommand.class,
      OnnxQuantizeCommand.class,
      OnnxDumpCommand.class,
      OnnxTestCommand.class
    })
final class OnnxCommand implements Runnable {
  @Spec private CommandSpec spec;

  private OnnxCommand() {}

  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }
}
