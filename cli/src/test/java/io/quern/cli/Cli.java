package io.quern.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

/** Runs the command within the test's JVM. */
public record Cli(int code, String out, String err) {
  /** The exit code, and what was printed. */
  public static Cli run(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.commandLine()
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true))
            .execute(args);
    return new Cli(code, out.toString(), err.toString());
  }
}
