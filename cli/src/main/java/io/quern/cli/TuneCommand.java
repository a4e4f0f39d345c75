package io.quern.cli;

import io.quern.Device;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Lets devices try variants of their kernels. */
@Command(
    name = "tune-kernels",
    description = "Time variants of kernels and remember the fastest for each device.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class TuneCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  private TuneCommand() {}

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    for (Device each : Device.available().stream().map(Device::of).toList()) {
      List<String> report = each.context().tune();
      out.println(each + ": " + (report.isEmpty() ? "nothing to tune" : ""));
      report.forEach(line -> out.println("  " + line));
      out.flush();
    }
    return 0;
  }
}
