package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Tensor;
import io.quern.grad.Tape;
import io.quern.runtime.Workers;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The optimising compiler inlines the scalars that loops of vectors load (ADR 10). Beyond 18,000
 * nodes of a method it calls what it need not inline, and spills all vectors around the call: a
 * kernel close to the limit is several times slower in some processes.
 */
class InliningTest {
  /** How close to the limit a scalar may be loaded; profiles change the nodes by a few hundred. */
  private static final int NODES = 16_500;

  /** Child process: runs each kernel until it is compiled. */
  static final class Child {
    private static final long NANOS = 300_000_000;

    private Child() {}

    public static void main(String[] args) {
      Workers.setThreads(1);
      BoxingTest.work()
          .forEach(
              work -> {
                Tensor[] inputs = work.inputs().toArray(Tensor[]::new);
                long end = System.nanoTime() + NANOS;
                while (System.nanoTime() < end) {
                  Tape.withoutRecording(() -> Tensor.apply(work.op(), inputs)).close();
                }
              });
    }
  }

  @TempDir Path directory;

  @Test
  @Timeout(180)
  void kernelsLoadTheirScalarsFarFromTheLimitOfNodes() throws Exception {
    Path log = directory.resolve("compilation.xml");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UnlockDiagnosticVMOptions",
                "-XX:+LogCompilation",
                "-XX:LogFile=" + log,
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-Dquern.asm=off",
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    assertThat(process.waitFor()).isZero();
    Compilations compilations = Compilations.read(log);
    assertThat(compilations.kernels).as("compiled").anyMatch(kernel -> kernel.endsWith("tile"));
    assertThat(compilations.late).isEmpty();
  }

  /** What a log of compilations tells of the kernels that C2 compiled. */
  private static final class Compilations {
    private static final Pattern TASK =
        Pattern.compile(
            "<task .*method='io\\.quern\\.cpu\\.[^ ]*?(Vector(?:MicroKernel|Depthwise)\\w* \\w+)");
    private static final Pattern METHOD = Pattern.compile("<method id='(\\d+)'.* name='([^']+)'");
    private static final Pattern PARSE = Pattern.compile("<parse method='(\\d+)'");
    private static final Pattern PARSED = Pattern.compile("<parse_done nodes='(\\d+)'");

    private final Set<String> kernels = new HashSet<>();
    private final List<String> late = new ArrayList<>();

    private String kernel = "";
    private int nodes;
    private final Set<String> scalarLoads = new HashSet<>();

    static Compilations read(Path log) throws IOException {
      Compilations all = new Compilations();
      var decoder = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPLACE);
      try (var lines =
          new BufferedReader(new InputStreamReader(Files.newInputStream(log), decoder))) {
        lines.lines().forEach(all::line);
      }
      return all;
    }

    private void line(String line) {
      if (line.startsWith("<task ")) {
        Matcher task = TASK.matcher(line);
        kernel = task.find() && !line.contains(" level=") ? task.group(1) : "";
        nodes = 0;
        scalarLoads.clear();
      } else if (!kernel.isEmpty()) {
        kernelLine(line);
      }
    }

    private void kernelLine(String line) {
      Matcher found = METHOD.matcher(line);
      if (found.find() && found.group(2).endsWith("Unaligned")) {
        scalarLoads.add(found.group(1));
      }
      found = PARSED.matcher(line);
      if (found.find()) {
        nodes = Integer.parseInt(found.group(1));
        kernels.add(kernel);
      }
      found = PARSE.matcher(line);
      boolean isLate = nodes > NODES && found.find() && scalarLoads.contains(found.group(1));
      if (isLate || line.contains("NodeCountInliningCutoff")) {
        late.add(kernel + ", " + nodes + " nodes: " + line);
      }
    }
  }
}
