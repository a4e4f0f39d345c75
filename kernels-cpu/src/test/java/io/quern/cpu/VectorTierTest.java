package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is chosen, and said, under the options a JVM may have been started with. */
class VectorTierTest {
  private static final String MODULE = "--add-modules=jdk.incubator.vector";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        MODULE + "                            | -bit vectors (the CPU's width)",
        MODULE + " -Dquern.vectorBits=128     | 128-bit vectors (set by quern.vectorBits)",
        MODULE + " -Dquern.vectorBits=77      | expected 128, 256 or 512, found 77",
        MODULE + " -Dquern.vector=maybe       | quern.vector: expected on or off, found maybe",
        MODULE + " -Dquern.vector=off         | faster: remove quern.vector=off",
        "-Dquern.threads=1 | start java with --add-modules jdk.incubator.vector",
        MODULE + " -Xint                      | faster: remove -Xint",
        MODULE + " -XX:TieredStopAtLevel=1    | faster: remove -XX:TieredStopAtLevel",
        MODULE + " -XX:-UseFMA                | scalar loops with double accumulators",
      })
  void saysWhatIsUsedAndHowToBeFaster(String options, String expected)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options.split(" +")));
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Child.class.getName()));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).isZero();
    assertThat(output).contains(expected).contains("3.0 7.0");
  }

  /** Child process: what the CPU says of itself, and a result. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      System.out.println(Device.cpu().describe());
      Tensor sums = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2).matmul(Tensor.ones(2, 1));
      System.out.println(sums.get(0, 0) + " " + sums.get(1, 0));
    }
  }
}
