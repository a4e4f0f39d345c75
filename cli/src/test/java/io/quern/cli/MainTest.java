package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.ChildJvm;
import io.quern.Quern;
import io.quern.Tensor;
import io.quern.onnx.ElementType;
import io.quern.onnx.Models;
import io.quern.plan.Compiled;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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

  /** Compiles a function as a command, which reads the same knob. */
  static final class Compiling {
    private Compiling() {}

    /** Prints what comes out, and whether the command is in debug mode. */
    public static void main(String[] args) {
      Compiled twice = Quern.compile(x -> x.mul(2), Tensor.ones(1).spec());
      System.out.println(twice.run(Tensor.ones(1)).item());
      System.out.println(Main.isDebug(Main.commandLine()));
    }
  }

  @ParameterizedTest
  @CsvSource({"on, true", "1, true", "off, false", "0, false"})
  void debugKnobMeansTheSameForCommandsAndPlans(String value, boolean isDebug) {
    String printed = ChildJvm.run(List.of("-Dquern.debug=" + value), Compiling.class);
    assertThat(printed.lines()).containsExactly("2.0", "" + isDebug);
  }

  @Test
  void debugKnobOfNoMeaningIsWrongUsage() {
    String before = System.getProperty("quern.debug");
    System.setProperty("quern.debug", "loud");
    try {
      Cli run = Cli.run("info");
      assertThat(run.code()).isEqualTo(CommandLine.ExitCode.USAGE);
      assertThat(run.err())
          .startsWith("quern: quern.debug: expected 0 to 6, on or off, found loud");
    } finally {
      if (before == null) {
        System.clearProperty("quern.debug");
      } else {
        System.setProperty("quern.debug", before);
      }
    }
  }

  @Test
  void knobOfNoMeaningIsNamed(@TempDir Path folder) throws IOException {
    Models relu =
        new Models()
            .input(Models.value("x", ElementType.FLOAT.code(), 1, 2))
            .output(Models.value("y", ElementType.FLOAT.code(), 1, 2))
            .add(Models.node("Relu", "x", "y"));
    String model = Files.write(folder.resolve("relu.onnx"), relu.bytes()).toString();
    List<String> options = List.of("-Dquern.validate=perhaps");
    assertThatThrownBy(() -> ChildJvm.run(options, Main.class, "bench", model))
        .hasMessageContaining("quern: quern.validate: expected on or off, found perhaps\n")
        .message()
        .doesNotContain("\tat ");
  }
}
