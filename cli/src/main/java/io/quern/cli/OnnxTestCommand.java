package io.quern.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
    Map<OnnxCases.Verdict, Integer> counts = new EnumMap<>(OnnxCases.Verdict.class);
    cases.run(
        outcome -> {
          counts.merge(outcome.verdict(), 1, Integer::sum);
          if (passed || outcome.verdict() != OnnxCases.Verdict.PASSED) {
            out.printf(
                Locale.ROOT,
                "%s %s: %s%n",
                outcome.verdict().name().toLowerCase(Locale.ROOT),
                outcome.name(),
                outcome.reason());
          }
        });
    int failed = counts.getOrDefault(OnnxCases.Verdict.FAILED, 0);
    out.printf(
        Locale.ROOT,
        "%d passed, %d failed, %d skipped%n",
        counts.getOrDefault(OnnxCases.Verdict.PASSED, 0),
        failed,
        counts.getOrDefault(OnnxCases.Verdict.SKIPPED, 0));
    out.flush();
    return failed == 0 ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
  }
}
