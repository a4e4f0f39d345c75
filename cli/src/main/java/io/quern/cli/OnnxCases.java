package io.quern.cli;

import io.quern.TensorScope;
import io.quern.onnx.OnnxModel;
import io.quern.onnx.OnnxValue;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Conformance cases of the ONNX project, found in folders. Those that a manifest lists with a
 * reason are skipped when they fail; in other releases of the cases they may pass.
 */
final class OnnxCases {
  private static final String MODEL = "model.onnx";
  private static final String SKIPPED = "onnx-skipped.properties";

  private final List<Path> cases;
  private final Properties skipped;

  private OnnxCases(List<Path> cases, Properties skipped) {
    this.cases = cases;
    this.skipped = skipped;
  }

  /** What became of a case. */
  enum Verdict {
    PASSED,
    FAILED,
    SKIPPED
  }

  /** The result of a case, and the reason or the largest error. */
  record Outcome(String name, Verdict verdict, String reason) {}

  /** The cases in these folders, at any depth, by name. */
  static OnnxCases in(List<Path> folders) {
    List<Path> found = new ArrayList<>();
    for (Path folder : folders) {
      try (Stream<Path> files = Files.walk(folder)) {
        files
            .filter(file -> file.endsWith(MODEL) && Files.isRegularFile(file))
            .map(Path::getParent)
            .sorted()
            .forEach(found::add);
      } catch (IOException e) {
        throw new UncheckedIOException(folder + ": cannot be read (" + e + ")", e);
      }
    }
    if (found.isEmpty()) {
      throw new UserException("no folder with a " + MODEL + " in " + folders);
    }
    return new OnnxCases(found, manifest());
  }

  private static Properties manifest() {
    Properties skipped = new Properties();
    try (InputStream in = OnnxCases.class.getResourceAsStream(SKIPPED)) {
      if (in == null) {
        throw new IllegalStateException(SKIPPED + " is missing");
      }
      skipped.load(in);
      return skipped;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  int size() {
    return cases.size();
  }

  /** Runs one case after the other. */
  void run(Consumer<Outcome> results) {
    for (Path folder : cases) {
      results.accept(run(folder));
    }
  }

  private Outcome run(Path folder) {
    String name = folder.getFileName().toString();
    Outcome outcome = outcome(name, folder);
    String why = skipped.getProperty(name);
    return why == null || outcome.verdict() == Verdict.PASSED
        ? outcome
        : new Outcome(name, Verdict.SKIPPED, why);
  }

  private static Outcome outcome(String name, Path folder) {
    try (var _ = TensorScope.open("a conformance case")) {
      OnnxModel model = OnnxModel.load(folder.resolve(MODEL));
      List<Path> sets = children(folder, "test_data_set_");
      if (sets.isEmpty()) {
        return new Outcome(name, Verdict.FAILED, "has no test_data_set_*");
      }
      OnnxComparison comparison = new OnnxComparison();
      for (Path set : sets) {
        run(model, set, comparison);
      }
      return comparison
          .problem()
          .map(problem -> new Outcome(name, Verdict.FAILED, problem))
          .orElseGet(() -> new Outcome(name, Verdict.PASSED, comparison.largest()));
    } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
      return new Outcome(name, Verdict.FAILED, describe(e));
    }
  }

  private static String describe(Throwable failure) {
    String message = failure.getMessage();
    String text =
        failure.getClass().getSimpleName().startsWith("Onnx") && message != null
            ? message
            : failure.toString();
    return text.strip().replaceAll("\\s*\\R\\s*", "; ");
  }

  private static void run(OnnxModel model, Path set, OnnxComparison comparison) {
    List<Path> inputs = children(set, "input_");
    Map<String, OnnxValue> arguments = new LinkedHashMap<>();
    for (int i = 0; i < inputs.size() && i < model.inputs().size(); i++) {
      arguments.put(model.inputs().get(i).name(), model.readInput(i, inputs.get(i)));
    }
    Map<String, OnnxValue> results = model.runValues(arguments);
    List<Path> outputs = children(set, "output_");
    for (int i = 0; i < outputs.size(); i++) {
      String name = model.outputs().get(i).name();
      comparison.compare(name, model.readOutput(i, outputs.get(i)), results.get(name));
    }
  }

  /** Files or folders whose names begin with {@code prefix} and go on with a number, in order. */
  private static List<Path> children(Path folder, String prefix) {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> file.getFileName().toString().matches(prefix + "\\d+(\\.pb)?"))
          .sorted((a, b) -> Integer.compare(number(a, prefix), number(b, prefix)))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be read (" + e + ")", e);
    }
  }

  private static int number(Path file, String prefix) {
    return Integer.parseInt(
        file.getFileName().toString().substring(prefix.length()).replace(".pb", ""));
  }
}
