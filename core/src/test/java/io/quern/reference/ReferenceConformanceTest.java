package io.quern.reference;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.conformance.AbstractConformance;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.Mode;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import io.quern.conformance.Sample;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The reference device: other types and layouts against F64 in row-major order. */
class ReferenceConformanceTest extends AbstractConformance {
  @Override
  protected Device device() {
    return Device.reference();
  }

  @Override
  protected List<Mode> modes() {
    return List.of(Mode.EAGER_REFERENCE, Mode.PLAN_UNOPTIMISED, Mode.PLAN_OPTIMISED);
  }

  @Override
  protected boolean takesTurns() {
    return !Sample.isAll();
  }

  @Test
  void everyPrimitiveHasKernel() {
    assertThat(OpCases.all().stream().filter(OpCase::isPrimitive))
        .allSatisfy(
            opCase ->
                assertThat(ReferenceKernels.find(KernelCheck.key(opCase)))
                    .as(opCase.name())
                    .isPresent());
  }
}
