package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Tensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A JVM that denies native memory says how to allow it, instead of crashing. */
class NativeAccessTest {
  @Test
  void sayingNoIsAnswered() throws Exception {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:-UsePerfData",
                    "-XX:TieredStopAtLevel=1",
                    "--illegal-native-access=deny",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Child.class.getName()))
            .redirectErrorStream(true)
            .start();
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertThat(process.waitFor()).isEqualTo(0);
    assertThat(output)
        .contains(
            "quern: tensors need native memory, which this JVM denies; start java with"
                + " --enable-native-access=ALL-UNNAMED");
  }

  /** Child process: what stands in the way of the first tensor. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      try {
        System.out.println(Tensor.ones(2, 2).toFloatArray().length);
      } catch (LinkageError e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
