package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.backend.DeviceContext;
import io.quern.backend.Kernel;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Op;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernels for compute capability 9.0 on the {@link StandIn} that makes copies of tiles and
 * products as late as it may; on GPUs {@link CudaConformanceTest} runs them.
 */
@EnabledIf(
    value = "isStandIn",
    disabledReason = "there is a GPU, or no g++ on x86-64 to build a stand-in")
class HopperKernelsTest {
  private static final Set<Class<? extends Op>> OPS = Set.of(Attention.class, AttentionGrad.class);

  static boolean isStandIn() {
    return StandIn.isReady() && StandIn.isUsed();
  }

  @TestFactory
  Stream<DynamicTest> kernels() {
    DeviceContext device = StandIn.withTiles().context();
    List<OpCase> cases =
        OpCases.all().stream()
            .filter(opCase -> opCase.mayHaveKernel() && OPS.contains(opCase.op().getClass()))
            .filter(opCase -> isOwn(device, opCase))
            .toList();
    assertThat(cases).hasSizeGreaterThan(60);
    return cases.stream()
        .map(opCase -> dynamicTest(opCase.name(), () -> KernelCheck.run(opCase, device)));
  }

  private static boolean isOwn(DeviceContext device, OpCase opCase) {
    return device
        .kernel(KernelCheck.key(opCase))
        .map(Kernel::name)
        .filter(name -> name.endsWith("f16"))
        .isPresent();
  }

  /**
   * Blocks that have several tiles of queries, and tiles of keys that take their places in turn.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void longSequences(boolean causal) {
    Tensor q = Rng.of(1).normal(1, 2, 700, 64).to(DType.BF16);
    Tensor k = Rng.of(2).normal(1, 1, 1100, 64).to(DType.BF16);
    Tensor v = Rng.of(3).normal(1, 1, 1100, 64).to(DType.BF16);
    Tensor output = Rng.of(4).normal(1, 2, 700, 64).to(DType.BF16);
    requireNear(new Attention(0.125, causal), q, k, v);
    requireNear(new AttentionGrad(0.125, causal), q, k, v, output, output);
  }

  /** Roundings to BF16 of weights, scores' gradients and results, over many of them. */
  private static void requireNear(Op op, Tensor... inputs) {
    Tensor[] wide = Arrays.stream(inputs).map(x -> x.to(DType.F64)).toArray(Tensor[]::new);
    double[][] exact = run(op, Device.reference(), wide);
    double[][] found = run(op, StandIn.withTiles(), inputs);
    for (int i = 0; i < exact.length; i++) {
      double difference = 0;
      double size = 0;
      for (int j = 0; j < exact[i].length; j++) {
        difference += Math.pow(found[i][j] - exact[i][j], 2);
        size += Math.pow(exact[i][j], 2);
      }
      assertThat(Math.sqrt(difference / size)).as("output %d", i).isLessThan(0x1p-8);
    }
  }

  private static double[][] run(Op op, Device device, Tensor... inputs) {
    Tensor[] there = Arrays.stream(inputs).map(x -> x.to(device)).toArray(Tensor[]::new);
    return Arrays.stream(Tensor.applyAll(op, there))
        .map(x -> x.to(Device.reference()).to(DType.F64).reshape(-1).toDoubleArray())
        .toArray(double[][]::new);
  }
}
