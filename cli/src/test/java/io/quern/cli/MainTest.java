package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void helpGoesToStandardOutput() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString()).startsWith("Usage: quern");
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void withoutArgumentsTheUsageIsPrinted() {
    assertThat(run()).isZero();
    assertThat(out.toString()).startsWith("Usage: quern");
  }

  @Test
  void versionNamesTheRunningJava() {
    assertThat(run("--version")).isZero();
    assertThat(out.toString()).startsWith("quern ").contains("Java " + Runtime.version());
  }

  @Test
  void anUnknownOptionIsWrongUsage() {
    assertThat(run("--bogus")).isEqualTo(CommandLine.ExitCode.USAGE);
    assertThat(err.toString()).contains("--bogus");
  }

  private int run(String... args) {
    return Main.commandLine()
        .setOut(new PrintWriter(out, true))
        .setErr(new PrintWriter(err, true))
        .execute(args);
  }
}
