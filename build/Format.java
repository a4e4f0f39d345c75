import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.FormatterException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Checks that the project's Java sources are as google-java-format writes them, or rewrites them.
 *
 * <p>Usage: {@code Format check|apply ROOT}. Files unchanged since the last run that passed, which
 * {@code ROOT/target/format} remembers, are not looked at again.
 */
final class Format {
  private static final Formatter FORMATTER = new Formatter();

  private final Path root;
  private final boolean apply;
  private final Path passed;

  private Format(Path root, boolean apply) {
    this.root = root;
    this.apply = apply;
    String version = Formatter.class.getPackage().getImplementationVersion();
    this.passed = root.resolve("target/format/passed-" + version);
  }

  public static void main(String[] args) throws IOException {
    boolean good = new Format(Path.of(args[1]), args[0].equals("apply")).run();
    if (!good) {
      System.exit(1);
    }
  }

  private boolean run() throws IOException {
    long start = System.currentTimeMillis();
    long since = Files.exists(passed) ? Files.getLastModifiedTime(passed).toMillis() : 0;
    List<String> problems =
        sources().parallelStream()
            .filter(file -> file.toFile().lastModified() >= since)
            .flatMap(this::problem)
            .sorted()
            .toList();
    if (!problems.isEmpty()) {
      problems.forEach(System.err::println);
      System.err.println("To format: bin/format, or mvn -N verify -Dformat.mode=apply");
      return false;
    }
    Files.createDirectories(passed.getParent());
    Files.writeString(passed, "");
    return passed.toFile().setLastModified(start);
  }

  private List<Path> sources() throws IOException {
    List<Path> roots = new ArrayList<>(List.of(root.resolve("build")));
    try (Stream<Path> modules = Files.list(root)) {
      modules.map(module -> module.resolve("src")).filter(Files::isDirectory).forEach(roots::add);
    }
    List<Path> sources = new ArrayList<>();
    for (Path dir : roots) {
      try (Stream<Path> files = Files.walk(dir)) {
        files.filter(file -> file.toString().endsWith(".java")).forEach(sources::add);
      }
    }
    return sources;
  }

  /** Says what is wrong with {@code file}, after formatting it when that is asked. */
  private Stream<String> problem(Path file) {
    Path name = root.relativize(file);
    try {
      String text = Files.readString(file);
      String formatted = FORMATTER.formatSourceAndFixImports(text);
      if (formatted.equals(text)) {
        return Stream.empty();
      }
      if (!apply) {
        return Stream.of("not formatted: " + name);
      }
      Files.writeString(file, formatted);
      System.out.println("formatted " + name);
      return Stream.empty();
    } catch (FormatterException e) {
      return Stream.of(name + ":" + e.getMessage());
    } catch (IOException e) {
      throw new UncheckedIOException(file.toString(), e);
    }
  }
}
