package io.quern.cli.readme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.quern.Device;
import io.quern.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What README shows is what is compiled and run here. */
class ReadmeTest {
  private static final Path MODULE = Path.of("").toAbsolutePath();
  private static final Path SOURCES = MODULE.resolve("src/test/java/io/quern/cli/readme");
  private static final Path DATA = MODULE.resolve("src/main/resources/io/quern/cli/fashion-mnist");

  @Test
  void javaBlocksAreTheExamples() throws IOException {
    String readme = Files.readString(MODULE.resolveSibling("README.md"));
    List<String> blocks =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(readme)
            .results()
            .map(block -> block.group(1).strip())
            .toList();
    assertThat(blocks)
        .containsExactly(
            example("Train.java"),
            example("Predict.java"),
            example("Compile.java"),
            example("Import.java"),
            example("Export.java"),
            example("Quantize.java"),
            example("Embed.java"),
            example("Tokenize.java"),
            example("Gpu.java"));
  }

  private static String example(String file) throws IOException {
    String source = Files.readString(SOURCES.resolve(file));
    var region = Pattern.compile("// README: \\w+\n(.*?) *// README: end", Pattern.DOTALL);
    var matcher = region.matcher(source);
    assertThat(matcher.find()).isTrue();
    return matcher.group(1).stripTrailing().stripIndent().strip();
  }

  @Test
  void examplesRun(@TempDir Path directory) {
    Path file = directory.resolve("model.safetensors");
    Train.run(DATA, file);
    assertThat(file).exists();
    Predict.run(file, new float[784]);
    assertThat(Embed.run()).as("mending is nearer than baking").isPositive();
    Path onnx = directory.resolve("model.onnx");
    Export.run(io.quern.nn.ModelFile.load(file).module(), onnx);
    Path quantized = directory.resolve("model-q.onnx");
    Quantize.run(onnx, List.of(Tensor.zeros(2, 28, 28)), quantized);
    assertThat(quantized).exists();
    Compile.run(io.quern.nn.ModelFile.load(file).module(), io.quern.Tensor.zeros(1, 784));
  }

  @Test
  void aMissingGpuIsExplained() {
    Tensor image = Tensor.zeros(1, 4);
    if (Device.available().contains("cuda")) {
      Gpu.run(image);
    } else {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Gpu.run(image))
          .withMessageContaining("cuda is not available, cuda has 0 devices: ")
          .withMessageContaining("NVIDIA driver");
    }
  }
}
