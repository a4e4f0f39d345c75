package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A kernel is warm when all that it uses is, the loops that it shares with others included. */
class WarmUpTest {
  @ParameterizedTest
  @ValueSource(strings = {"attention", "attention_grad", "pool2d"})
  void nothingIsLeftToCompile(String op) {
    List<String> options =
        List.of(
            "--add-modules",
            "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Dquern.asm=off");
    assertThat(ChildJvm.run(options, Child.class, op)).isEqualTo("ready");
  }

  /** Child process: warms one kernel up, then looks for scalar loops that are to be replaced. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      TensorSpec rows = new TensorSpec(DType.F32, Shape.of(2, 70, 40));
      TensorSpec image = new TensorSpec(DType.F32, Shape.of(1, 2, 15, 15));
      switch (args[0]) {
        case "attention" -> warmUp(new Attention(1, false), Collections.nCopies(3, rows));
        case "attention_grad" -> warmUp(new AttentionGrad(1, false), Collections.nCopies(5, rows));
        default -> warmUp(new Pool2d(Pool2d.Fn.AVG, Window.of(3).stride(2), false), List.of(image));
      }
      boolean strides = args[0].equals("pool2d") && areStridesScalar();
      System.out.println(areProductsScalar() ? "products" : strides ? "strides" : "ready");
    }

    private static void warmUp(Op op, List<TensorSpec> inputs) {
      Quern.compile(
              Device.cpu(),
              in -> List.of(Tensor.applyAll(op, in.toArray(Tensor[]::new))[0]),
              inputs)
          .warmUp();
    }

    private static boolean areProductsScalar() {
      return MicroKernel.chosen() instanceof WarmingMicroKernel warming
          && warming.target() instanceof ScalarMicroKernel
          && warming.warmUp();
    }

    private static boolean areStridesScalar() {
      return EverySecond.twins().get().getClass().equals(EverySecond.class)
          && EverySecond.twins().await();
    }
  }
}
