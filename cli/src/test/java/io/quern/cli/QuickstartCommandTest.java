package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.nn.ModelFile;
import io.quern.train.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine.ExitCode;

@Timeout(120)
class QuickstartCommandTest {
  @TempDir private static Path folder;
  private static Path data;

  @BeforeAll
  static void writeData() throws Exception {
    data = folder.resolve("data");
    TinyData.write(data, 60, 30);
  }

  /** Runs on the small data; {@code more} are further options and their values. */
  private static Cli quickstart(String out, String... more) {
    Map<String, String> options = new LinkedHashMap<>();
    options.put("--data", data.toString());
    options.put("--out", folder.resolve(out).toString());
    options.put("--epochs", "2");
    options.put("--batch", "16");
    options.put("--predictions", "300");
    for (int i = 0; i < more.length; i += 2) {
      options.put(more[i], more[i + 1]);
    }
    List<String> arguments = new ArrayList<>(List.of("quickstart"));
    options.forEach((name, value) -> arguments.addAll(List.of(name, value)));
    return Cli.run(arguments.toArray(String[]::new));
  }

  private static String fingerprint(Cli result) {
    Matcher matcher = Pattern.compile("sha-256 ([0-9a-f]{16})\n").matcher(result.out());
    assertThat(matcher.find()).isTrue();
    return matcher.group(1);
  }

  @Test
  void itTrainsSavesAndServes() {
    Cli result = quickstart("first/deep");
    assertThat(result.err()).isEmpty();
    assertThat(result.code()).isZero();
    assertThat(result.out())
        .contains("60 images to train on, 30 to test on")
        .contains("bits      R3, the same bits on every CPU\n")
        .containsPattern("epoch 2/2  loss \\d.*  accuracy \\d.*  test accuracy \\d.* images/s")
        .containsPattern("class +precision +recall +f1 +support")
        .contains("Ankle boot")
        .containsPattern("served +300 predictions to 32 threads")
        .containsPattern("300 predictions as directly, 300 to the last bit")
        .containsPattern("requests +300 ok, 0 failed, 0 rejected")
        .containsPattern("p50 .* p99 .* p99.9 ")
        .containsPattern("mean size \\d")
        .containsPattern("done in \\d+\\.\\d s")
        .doesNotContainPattern("[\\p{Cntrl}&&[^\n]]");
    Path out = folder.resolve("first/deep");
    assertThat(result.out()).contains(out.resolve("model.safetensors").toString());
    assertThat(ModelFile.load(out.resolve("model.safetensors")).input())
        .contains(FashionMnist.INPUT);
    assertThat(Checkpoint.load(out.resolve("checkpoint.safetensors")).progress().epoch())
        .isEqualTo(2);
  }

  @Test
  void theSameSeedGivesTheSameBits() {
    String first = fingerprint(quickstart("a"));
    assertThat(fingerprint(quickstart("b", "--threads", "1"))).isEqualTo(first);
    assertThat(fingerprint(quickstart("c", "--seed", "2"))).isNotEqualTo(first);
  }

  @Test
  void itTrainsInMixedPrecision() {
    String usual = fingerprint(quickstart("usual"));
    Cli result = quickstart("mixed", "--precision", "bf16");
    assertThat(result.code()).isZero();
    assertThat(result.out())
        .contains("bits      R1, the same bits on the same machine\n")
        .contains("300 predictions as directly, 300 to the last bit");
    assertThat(fingerprint(result)).isNotEqualTo(usual);
    Path checkpoint = folder.resolve("mixed/checkpoint.safetensors");
    assertThat(Checkpoint.load(checkpoint).precision()).contains(DType.BF16);
  }

  @Test
  void theReferenceDeviceDoesItToo() throws Exception {
    Path few = folder.resolve("few");
    TinyData.write(few, 12, 5);
    String[] options = {
      "--data", few.toString(), "--device", "reference", "--epochs", "1", "--predictions", "20"
    };
    Cli result = quickstart("reference", options);
    assertThat(result.code()).isZero();
    assertThat(result.out())
        .contains("device    reference: ")
        .contains("20 predictions as directly, 20 to the last bit");
  }

  @ParameterizedTest
  @CsvSource({
    "--epochs, 0, --epochs must be 1 or more",
    "--batch, -3, --batch must be 1 or more",
    "--threads, -1, --threads must be 0 or more",
    "--predictions, 0, --predictions must be 1 or more",
    "--seed, x, --seed",
    "--precision, f64, '--precision must be bf16, f16 or f32, found f64'",
    "--precision, half, '--precision must be bf16, f16 or f32, found half'",
    "--device, tpu, no backend named tpu",
    "--device, cpu:9, cpu:9 is not available"
  })
  void optionsOutOfRangeAreWrongUsage(String option, String value, String message) {
    Cli result = quickstart("never", option, value);
    assertThat(result.code()).isEqualTo(ExitCode.USAGE);
    assertThat(result.err())
        .contains(message)
        .contains("Try 'quern quickstart --help'.")
        .doesNotContain("\tat ");
    assertThat(folder.resolve("never")).doesNotExist();
  }

  private static void fails(Cli result, String... messages) {
    assertThat(result.code()).isEqualTo(ExitCode.SOFTWARE);
    assertThat(result.err()).startsWith("quern: ").contains(messages).doesNotContain("\tat ");
  }

  @Test
  void missingDataAreNamed() throws Exception {
    fails(Cli.run("quickstart", "--data", "/nowhere"), "/nowhere does not exist");
    Path file = Files.createTempFile(folder, "plain", "file");
    fails(Cli.run("quickstart", "--data", file.toString()), "is not a directory");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    fails(
        Cli.run("quickstart", "--data", empty.toString()),
        "has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz");
  }

  @Test
  void brokenDataAreNamed() throws Exception {
    Path broken = folder.resolve("broken");
    TinyData.write(broken, 10, 10);
    Path images = broken.resolve("t10k-images-idx3-ubyte.gz");
    byte[] whole = Files.readAllBytes(images);
    Files.write(images, Arrays.copyOf(whole, whole.length / 2));
    fails(quickstart("broken-out", "--data", broken.toString()), images.toString(), "truncated");

    TinyData.compressed(images, new byte[10 * 5 * 5], 10, 5, 5);
    fails(quickstart("broken-out", "--data", broken.toString()), "found U8[10, 5, 5]");

    TinyData.write(broken, 10, 10);
    Path labels = broken.resolve("t10k-labels-idx1-ubyte");
    Files.write(labels, TinyData.idx(new byte[9], 9));
    fails(quickstart("broken-out", "--data", broken.toString()), "expected U8[10]", "U8[9]");

    Files.write(labels, TinyData.idx(new byte[] {0, 1, 2, 3, 10, 5, 6, 7, 8, 9}, 10));
    fails(quickstart("broken-out", "--data", broken.toString()), "label 4 is 10");
  }

  @Test
  void anOutputDirectoryThatCannotBeIsNamed() throws Exception {
    Path file = Files.createTempFile(folder, "plain", "file");
    fails(quickstart("x", "--out", file.resolve("below").toString()), "--out: cannot make");
  }

  @Test
  void debugShowsWhereItHappened() {
    Cli result = Cli.run("--debug", "quickstart", "--data", "/nowhere");
    assertThat(result.code()).isEqualTo(ExitCode.SOFTWARE);
    assertThat(result.err()).contains("does not exist").contains("\tat io.quern.cli");
    assertThat(Cli.run("quickstart", "--data", "/nowhere", "--debug").err()).contains("\tat ");
  }
}
