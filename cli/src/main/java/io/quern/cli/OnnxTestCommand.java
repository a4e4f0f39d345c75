package io.quern.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs conformance cases of the ONNX project. */
@Command(
    name = "test",
    description = {
      "Run ONNX backend test cases and compare the results.",
      "A case is a folder with model.onnx and test_data_set_*/input_*.pb and output_*.pb."
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class OnnxTestCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      paramLabel = "DIR",
      arity = "1..*",
      description = "Folders that hold cases, at any depth.")
  private List<Path> folders;

  @Option(names = "--passed", description = "List the cases that passed too, with their error.")
  private boolean passed;

  private OnnxTestCommand() {}

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    OnnxCases cases = OnnxCases.in(folders);
    int[] counts = new int[OnnxCases.Verdict.values().length];
    cases.run(
        outcome -> {
          counts[outcome.verdict().ordinal()]++;
          if (passed || outcome.verdict() != OnnxCases.Verdict.PASSED) {
            out.printf(
                Locale.ROOT,
                "%s %s: %s%n",
                outcome.verdict().name().toLowerCase(Locale.ROOT),
                outcome.name(),
                outcome.reason());
          }
        });
    out.printf(Locale.ROOT, "%d passed, %d failed, %d skipped%n", counts[0], counts[1], counts[2]);
    out.flush();
    return counts[1] == 0 ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
  }
}
