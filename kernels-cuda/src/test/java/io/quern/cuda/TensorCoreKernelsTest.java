package io.quern.cuda;

import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.backend.DeviceContext;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCases;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Epilogue;
import io.quern.op.MatMul;
import io.quern.op.Op;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
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
          MatMul.class,
          Attention.class,
          AttentionGrad.class,
          Conv2d.class,
          Epilogue.class,
          Conv2dInputGrad.class,
          Conv2dWeightGrad.class);

  static boolean isStandIn() {
    return StandIn.isReady() && StandIn.isUsed();
  }

  @TestFactory
  Stream<DynamicTest> kernels() {
    DeviceContext device = StandIn.withTensorCores().context();
    return OpCases.all().stream()
        .filter(opCase -> opCase.mayHaveKernel() && OPS.contains(opCase.op().getClass()))
        .filter(opCase -> device.kernel(KernelCheck.key(opCase)).isPresent())
        .map(opCase -> dynamicTest(opCase.name(), () -> KernelCheck.run(opCase, device)));
  }
}
