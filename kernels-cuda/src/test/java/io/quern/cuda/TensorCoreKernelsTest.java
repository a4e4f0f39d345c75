package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.backend.DeviceContext;
import io.quern.backend.Kernel;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import io.quern.conformance.Sample;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Epilogue;
import io.quern.op.IntegerMatMul;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * The kernels for tensor cores on the {@link StandIn} that has some; on GPUs that have some {@link
 * CudaConformanceTest} runs them.
 */
@EnabledIf(
    value = "isStandIn",
    disabledReason = "there is a GPU, or no g++ on x86-64 to build a stand-in")
class TensorCoreKernelsTest {
  private static final Set<Class<? extends Op>> OPS =
      Set.of(
          MatMul.class, Epilogue.class, IntegerMatMul.class, Attention.class, AttentionGrad.class);

  static boolean isStandIn() {
    return StandIn.isReady() && StandIn.isUsed();
  }

  private static Device with() {
    return StandIn.withTensorCores();
  }

  private static Device without() {
    return Device.of("cuda");
  }

  @TestFactory
  Stream<DynamicTest> kernels() {
    DeviceContext device = with().context();
    List<OpCase> cases =
        OpCases.all().stream()
            .filter(opCase -> opCase.mayHaveKernel() && OPS.contains(opCase.op().getClass()))
            .filter(opCase -> isForTensorCores(device, opCase))
            .toList();
    return IntStream.range(0, cases.size())
        .filter(number -> Sample.has(number, 2))
        .mapToObj(cases::get)
        .map(opCase -> dynamicTest(opCase.name(), () -> KernelCheck.run(opCase, device)));
  }

  /** Attention has kernels of other names besides, which {@link CudaConformanceTest} runs. */
  private static boolean isForTensorCores(DeviceContext device, OpCase opCase) {
    return device
        .kernel(KernelCheck.key(opCase))
        .map(Kernel::name)
        .filter(name -> name.startsWith("matmul_") || name.contains("_mma_"))
        .filter(name -> !name.endsWith("_widened") || name.startsWith("matmul_"))
        .isPresent();
  }

  @Test
  void productsAreAsExactAsThoseOfOrdinaryArithmetic() {
    Tensor a = Rng.of(1).normal(64, 4096);
    Tensor b = Rng.of(2).normal(4096, 64);
    Tensor found = a.to(with()).matmul(b.to(with()));
    Tensor ordinary = a.to(without()).matmul(b.to(without()));
    double[] exact = product(a, b);
    assertThat(error(exact, found)).isLessThan(2 * error(exact, ordinary));
    assertThat(onHost(found)).as("other sums").isNotEqualTo(onHost(ordinary));
  }

  private static double[] product(Tensor a, Tensor b) {
    float[] x = a.to(Device.reference()).reshape(-1).toFloatArray();
    float[] y = b.to(Device.reference()).reshape(-1).toFloatArray();
    int n = (int) b.shape().dim(1);
    int k = (int) b.shape().dim(0);
    double[] products = new double[x.length / k * n];
    for (int i = 0; i < products.length; i++) {
      for (int p = 0; p < k; p++) {
        products[i] += (double) x[i / n * k + p] * y[p * n + i % n];
      }
    }
    return products;
  }

  private static double error(double[] exact, Tensor found) {
    float[] values = onHost(found);
    double sum = 0;
    for (int i = 0; i < exact.length; i++) {
      sum += Math.pow(values[i] - exact[i], 2);
    }
    return Math.sqrt(sum / exact.length);
  }

  /** Four products get larger tiles than one. */
  @Test
  void productsDoNotDependOnTheTile() {
    for (int size : new int[] {32, 60, 100}) {
      Tensor a = Rng.of(1).normal(4, size, 70).to(with());
      Tensor b = Rng.of(2).normal(4, 70, size).to(with());
      Tensor all = a.matmul(b);
      for (int i = 0; i < 4; i++) {
        Tensor one = a.slice(0, i, i + 1).matmul(b.slice(0, i, i + 1));
        assertThat(onHost(all.slice(0, i, i + 1))).isEqualTo(onHost(one));
      }
    }
  }

  /** Where a factor is infinite the sums are those of ordinary arithmetic. */
  @Test
  void infiniteFactorsOfProducts() {
    Tensor x = special(70, 70);
    check(device -> x.to(device).matmul(x.to(device)));
  }

  /** Of long and short sums, in one matrix or several, with and without infinite factors. */
  @Test
  void epiloguesHaveTheBitsOfTheirOps() {
    for (Device device : List.of(with(), without())) {
      Tensor bias = Rng.of(3).normal(70).to(device);
      for (Tensor a :
          List.of(Rng.of(1).normal(70, 70), special(70, 70), Rng.of(1).normal(3, 300, 70))) {
        Tensor b = a.slice(-2, 0, 70).to(device);
        Tensor residual = a.mul(0.5f).to(device);
        Function<Tensor, Tensor> block = x -> x.matmul(b).add(bias).relu().add(residual).relu();
        assertSameBits(block, a.to(device));
      }
      Tensor tall = Rng.of(4).normal(9, 1000).to(device);
      Tensor wide = Rng.of(5).normal(1000, 70).to(device);
      assertSameBits(x -> x.matmul(wide).add(bias).relu(), tall);
    }
  }

  private static void assertSameBits(Function<Tensor, Tensor> function, Tensor x) {
    Compiled compiled =
        Quern.compile(x.device(), in -> List.of(function.apply(in.getFirst())), List.of(x.spec()));
    assertThat(compiled.plan().kernels()).hasSize(1).first().asString().contains("finish");
    assertThat(onHost(compiled.run(x))).isEqualTo(onHost(function.apply(x)));
  }

  private static Tensor special(long... shape) {
    float[] values = onHost(Rng.of(1).normal(shape));
    float[] special = {
      Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN, Float.MAX_VALUE, 0
    };
    for (int i = 0; i < 10; i++) {
      values[241 * i] = special[i % special.length];
    }
    return Tensor.of(values, shape);
  }

  private static void check(Function<Device, Tensor> function) {
    float[] found = onHost(function.apply(with()));
    float[] expected = onHost(function.apply(without()));
    for (int i = 0; i < expected.length; i++) {
      if (Float.isFinite(expected[i])) {
        assertThat(found[i]).as("element %d", i).isFinite();
      } else {
        assertThat(found[i]).as("element %d", i).isEqualTo((Float) expected[i]);
      }
    }
    assertThat(found).contains(Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY);
  }

  private static float[] onHost(Tensor x) {
    return x.to(Device.reference()).reshape(-1).toFloatArray();
  }
}
