package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Op;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Tensor cores round otherwise than F32, which long sums must not show. */
@EnabledIf(
    value = "isStandIn",
    disabledReason = "there is a GPU, or no g++ on x86-64 to build a stand-in")
class AttentionKernelsTest {
  private final Tensor q = Rng.of(1).normal(1, 1, 512, 64);
  private final Tensor k = Rng.of(2).normal(1, 1, 2048, 64);
  private final Tensor v = Rng.of(3).normal(1, 1, 2048, 64);
  private final Tensor output = Rng.of(4).normal(1, 1, 512, 64);
  private final Tensor gradient = Rng.of(5).normal(1, 1, 512, 64);

  static boolean isStandIn() {
    return StandIn.isReady() && StandIn.isUsed();
  }

  @Test
  void attentionIsAsExactAsByOrdinaryArithmetic() {
    check(new Attention(0.125, false), q, k, v);
  }

  @Test
  void gradientsAreAsExactAsByOrdinaryArithmetic() {
    check(new AttentionGrad(0.125, false), q, k, v, output, gradient);
  }

  private static void check(Op op, Tensor... inputs) {
    double[][] exact = run(op, Device.reference(), DType.F64, inputs);
    double[][] ordinary = run(op, Device.of("cuda"), DType.F32, inputs);
    double[][] found = run(op, StandIn.withTensorCores(), DType.F32, inputs);
    for (int i = 0; i < exact.length; i++) {
      assertThat(error(exact[i], found[i]))
          .as("output %d", i)
          .isLessThan(2 * error(exact[i], ordinary[i]));
    }
  }

  private static double[][] run(Op op, Device device, DType dtype, Tensor... inputs) {
    Tensor[] there = Arrays.stream(inputs).map(x -> x.to(dtype).to(device)).toArray(Tensor[]::new);
    return Arrays.stream(Tensor.applyAll(op, there))
        .map(x -> x.to(Device.reference()).to(DType.F64).reshape(-1).toDoubleArray())
        .toArray(double[][]::new);
  }

  /** The root of the mean of squares. */
  private static double error(double[] exact, double[] found) {
    double sum = 0;
    for (int i = 0; i < exact.length; i++) {
      sum += Math.pow(found[i] - exact[i], 2);
    }
    return Math.sqrt(sum / exact.length);
  }
}
