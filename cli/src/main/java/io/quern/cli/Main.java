package io.quern.cli;

import io.quern.runtime.DebugLevel;
import java.lang.module.ModuleDescriptor;
import java.util.Optional;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The {@code quern} command. Without a subcommand it prints its usage. */
@Command(
    name = "quern",
    description = "Tensors, training, data loading and serving in pure Java.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      QuickstartCommand.class,
      InfoCommand.class,
      OnnxCommand.class,
      EmbedCommand.class,
      BenchCommand.class,
      TuneCommand.class
    },
    footer = {
      "",
      "Exit codes: 0 done, 1 failed, 2 wrong usage.",
      "'quern COMMAND --help' tells more. To begin with: quern quickstart"
    })
public final class Main implements Runnable {
  /** Held here because the logging system itself would forget it and its level. */
  private static final Logger LOG = Logger.getLogger("io.quern");

  @Spec private CommandSpec spec;

  @Option(
      names = "--debug",
      scope = ScopeType.INHERIT,
      description =
          "Show stack traces and all log lines; so does QUERN_DEBUG=1, which tells of plans too.")
  private boolean debug;

  private Main() {}

  /** Runs the command named by {@code args} and exits: 0 done, 1 failed, 2 wrong usage. */
  public static void main(String[] args) {
    if (System.getProperty("java.util.logging.SimpleFormatter.format") == null) {
      System.setProperty("java.util.logging.SimpleFormatter.format", "%4$s: %5$s%6$s%n");
    }
    int code;
    try {
      code = commandLine().execute(args);
    } catch (OutOfMemoryError e) {
      System.err.println("quern: " + e.getMessage());
      code = CommandLine.ExitCode.SOFTWARE;
    } catch (ExceptionInInitializerError e) {
      if (!(e.getCause() instanceof IllegalArgumentException unfit)) {
        throw e;
      }
      System.err.println("quern: " + unfit.getMessage()); // a knob's value
      code = CommandLine.ExitCode.USAGE;
    }
    System.exit(code);
  }

  static CommandLine commandLine() {
    Failures failures = new Failures();
    return new CommandLine(new Main())
        .setExecutionExceptionHandler(failures)
        .setParameterExceptionHandler(failures)
        .setExecutionStrategy(Main::execute)
        .setUsageHelpAutoWidth(true);
  }

  /** What devices log when they open is part of what the commands print themselves. */
  private static int execute(CommandLine.ParseResult parsed) {
    CommandLine command = parsed.commandSpec().commandLine();
    try {
      LOG.setLevel(isDebug(command) ? Level.INFO : Level.WARNING);
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(command, e.getMessage(), e);
    }
    return new CommandLine.RunLast().execute(parsed);
  }

  static boolean isDebug(CommandLine command) {
    Object main = command.getCommandSpec().root().userObject();
    return ((Main) main).debug || DebugLevel.inForce() > 0;
  }

  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }

  static final class Version implements IVersionProvider {
    static String quern() {
      return Optional.ofNullable(Main.class.getModule().getDescriptor())
          .flatMap(ModuleDescriptor::rawVersion)
          .orElse("(version unknown on the class path)");
    }

    @Override
    public String[] getVersion() {
      return new String[] {"quern " + quern(), "Java " + Runtime.version()};
    }
  }
}
