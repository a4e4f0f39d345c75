package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.gpu.ConvTilesCheck;
import io.quern.gpu.GpuContext;
import java.util.Set;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class ConvKernelsTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void everyTileComputesEveryConvolution(int parts) {
    assertThat(run(Device.of("cuda"), parts)).isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  @EnabledIf(value = "io.quern.cuda.StandIn#isUsed", disabledReason = "a GPU is what it is")
  void everyTileComputesEveryConvolutionOnTensorCores(int parts) {
    assertThat(run(StandIn.withTensorCores(), parts)).isNotEmpty();
  }

  private static Set<String> run(Device device, int parts) {
    return ConvTilesCheck.run((GpuContext) device.context(), parts);
  }
}
