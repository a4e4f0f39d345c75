package io.quern.cli;

import io.quern.Device;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The option that says where to compute. */
final class DeviceOption {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      showDefaultValue = Help.Visibility.ALWAYS,
      description = "Where to compute; 'quern info' lists devices.")
  private String name = "cpu";

  private DeviceOption() {}

  Device device() {
    try {
      return Device.of(name);
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw new ParameterException(
          command.commandLine(), "--device: " + e.getMessage().replaceFirst("^device: ", ""), e);
    }
  }
}
