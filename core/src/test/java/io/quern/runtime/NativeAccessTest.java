package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A JVM that denies native memory says how to allow it, instead of crashing. */
class NativeAccessTest {
  @Test
  void sayingNoIsAnswered() {
    String output =
        ChildJvm.run(
            List.of("-XX:TieredStopAtLevel=1", "--illegal-native-access=deny"), Child.class);
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
