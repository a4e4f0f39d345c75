package io.quern.cli;

import io.quern.io.FormatException;
import io.quern.loader.DataFormatException;
import io.quern.onnx.OnnxException;
import io.quern.runtime.DebugLevel;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Turns exceptions into messages and exit codes. */
final class Failures implements IExecutionExceptionHandler, IParameterExceptionHandler {
  /** Failures whose messages name the file or argument and the remedy. */
  private static final Set<Class<? extends Exception>> EXPLAINED =
      Set.of(
          UserException.class,
          FormatException.class,
          DataFormatException.class,
          OnnxException.class,
          UncheckedIOException.class);

  /** Whether stack traces are wanted, which they are unless the knob has a value of no meaning. */
  private static boolean isDebug() {
    try {
      return DebugLevel.inForce() > 0;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  @Override
  public int handleExecutionException(Exception failure, CommandLine command, ParseResult result) {
    PrintWriter err = command.getErr();
    if (EXPLAINED.contains(failure.getClass())) {
      err.println("quern: " + failure.getMessage());
    } else {
      err.println("quern: unexpected failure: " + failure);
      if (!Main.isDebug(command)) {
        err.println("This should not happen; --debug shows where it did.");
      }
    }
    if (Main.isDebug(command)) {
      failure.printStackTrace(err);
    }
    err.flush();
    return CommandLine.ExitCode.SOFTWARE;
  }

  @Override
  public int handleParseException(ParameterException failure, String[] args) {
    CommandLine command = failure.getCommandLine();
    PrintWriter err = command.getErr();
    String name = command.getCommandSpec().qualifiedName();
    err.println("quern: " + failure.getMessage());
    CommandLine.UnmatchedArgumentException.printSuggestions(failure, err);
    err.println("Try '" + name + " --help'.");
    if (isDebug()) {
      failure.printStackTrace(err);
    }
    err.flush();
    return CommandLine.ExitCode.USAGE;
  }
}
