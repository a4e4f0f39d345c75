package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.gpu.ConvTilesCheck;
import io.quern.gpu.GpuContext;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class ConvKernelsTest {
  /** Convolutions of the stand-in's last device are those of the one before. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void everyTileComputesEveryConvolution(int parts) {
    for (String device : Device.available()) {
      boolean isRepeated = StandIn.isUsed() && device.equals("cuda:2");
      if (device.startsWith("cuda") && !isRepeated) {
        assertThat(ConvTilesCheck.run((GpuContext) Device.of(device).context(), parts))
            .isNotEmpty();
      }
    }
  }
}
