package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

class MainTest {
  @Test
  void helpGoesToStandardOutput() {
    Cli result = Cli.run("--help");
    assertThat(result.code()).isZero();
    assertThat(result.out()).startsWith("Usage: quern").contains("quickstart").contains("info");
    assertThat(result.err()).isEmpty();
  }

  @Test
  void withoutArgumentsTheUsageIsPrinted() {
    assertThat(Cli.run().out()).startsWith("Usage: quern");
    assertThat(Cli.run().code()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"quickstart", "info", "embed"})
  void everyCommandExplainsItself(String command) {
    Cli result = Cli.run(command, "--help");
    assertThat(result.code()).isZero();
    assertThat(result.out()).startsWith("Usage: quern " + command);
    assertThat(result.err()).isEmpty();
    CommandLine line = Main.commandLine().getSubcommands().get(command);
    assertThat(line.getCommandSpec().options())
        .allSatisfy(option -> assertThat(option.description()).isNotEmpty())
        .extracting(OptionSpec::longestName)
        .allSatisfy(name -> assertThat(result.out()).contains(name));
  }

  @Test
  void versionNamesTheRunningJava() {
    Cli result = Cli.run("--version");
    assertThat(result.code()).isZero();
    assertThat(result.out()).startsWith("quern ").contains("Java " + Runtime.version());
    assertThat(Cli.run("info", "--version")).isEqualTo(result);
  }

  @Test
  void anUnknownOptionIsWrongUsage() {
    Cli result = Cli.run("quickstart", "--epoch", "3");
    assertThat(result.code()).isEqualTo(CommandLine.ExitCode.USAGE);
    assertThat(result.err())
        .contains("--epoch")
        .contains("--epochs")
        .contains("Try 'quern quickstart --help'.");
    assertThat(result.out()).isEmpty();
  }

  @Test
  void anUnknownCommandIsWrongUsage() {
    Cli result = Cli.run("quickstrat");
    assertThat(result.code()).isEqualTo(CommandLine.ExitCode.USAGE);
    assertThat(result.err()).contains("quickstrat").contains("quern quickstart");
  }
}
