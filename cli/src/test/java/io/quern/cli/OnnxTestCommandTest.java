package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The conformance cases of Debian's libonnx-testdata, and what the command tells of them. */
class OnnxTestCommandTest {
  private static final Path DATA = Path.of("/usr/share/libonnx-testdata/data");

  private static void requireData() {
    assumeTrue(Files.isDirectory(DATA), "the Debian package libonnx-testdata is not installed");
  }

  @Test
  void conformanceCasesPass() {
    requireData();
    Cli run =
        Cli.run(
            "onnx",
            "test",
            DATA.resolve("node").toString(),
            DATA.resolve("simple").toString(),
            DATA.resolve("pytorch-converted").toString(),
            DATA.resolve("pytorch-operator").toString());
    assertThat(run.out().lines().filter(line -> line.startsWith("failed"))).isEmpty();
    assertThat(run.code()).isZero();
    String last = run.out().strip().lines().reduce((_, line) -> line).orElseThrow();
    assertThat(last).matches("\\d+ passed, 0 failed, \\d+ skipped");
    assertThat(Integer.parseInt(last.substring(0, last.indexOf(' ')))).isGreaterThanOrEqualTo(1055);
  }

  @Test
  void wrongResultFails(@TempDir Path folder) throws IOException {
    requireData();
    Path source = DATA.resolve("node/test_abs");
    Path set = Files.createDirectories(folder.resolve("wrong/test_data_set_0"));
    Files.copy(source.resolve("model.onnx"), folder.resolve("wrong/model.onnx"));
    Path input = source.resolve("test_data_set_0/input_0.pb");
    Files.copy(input, set.resolve("input_0.pb"));
    Files.copy(input, set.resolve("output_0.pb"));
    Cli run = Cli.run("onnx", "test", folder.toString());
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.out())
        .contains("failed wrong: output y element")
        .endsWith("0 passed, 1 failed, 0 skipped\n");
  }

  @Test
  void folderWithoutCasesIsAnError(@TempDir Path folder) {
    Cli run = Cli.run("onnx", "test", folder.toString());
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.err()).contains("no folder with a model.onnx");
  }
}
