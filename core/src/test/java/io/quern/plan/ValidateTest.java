package io.quern.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

/** {@code quern.validate} names the first step whose kernel is wrong. */
class ValidateTest {
  private static String run(String device, String validate) {
    return ChildJvm.run(
        List.of("-XX:TieredStopAtLevel=1", "-Dquern.validate=" + validate), Child.class, device);
  }

  @Test
  void aWrongKernelIsNamed() {
    assertThat(run("wrong", "on"))
        .startsWith("validate: step 1, ")
        .contains("SQRT")
        .contains("by wrong_sqrt")
        .contains("first at element 4: found 2.125, ")
        .endsWith("expected 2.0");
  }

  @Test
  void rightKernelsPass() {
    assertThat(run("remote", "on")).isEqualTo("-2.0");
  }

  @Test
  void nothingIsComparedWithoutIt() {
    assertThat(run("wrong", "off")).isEqualTo("-2.125");
  }

  /** Child process: the last element of a result, or why there is none. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      Device device = Device.of(args[0]);
      Tensor x = Tensor.of(new float[] {1, 1, 1, 1, -4}).to(device);
      Compiled compiled =
          Quern.compile(device, in -> List.of(in.getFirst().abs().sqrt().neg()), List.of(x.spec()))
              .with();
      try {
        System.out.println(compiled.run(x).get(4));
      } catch (IllegalStateException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
