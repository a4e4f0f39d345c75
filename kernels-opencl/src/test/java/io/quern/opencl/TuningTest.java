package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.gpu.GpuContext;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is stored for a device counts only while it names a tile that the device can have. */
class TuningTest {
  @ParameterizedTest
  @CsvSource({
    "128x64 by 256, 256, true",
    "128x64 by 256, 128, false",
    "96x96 by 256, 256, false",
    "12x32 by 1, 256, false"
  })
  void staleResultsAreNotUsed(String stored, int mostThreads, boolean isUsed) {
    String device = "a device for tests";
    OpenClBackend.CACHE.put("tile of matmul on " + device, stored.getBytes(StandardCharsets.UTF_8));
    Tuning tuning = new Tuning(device, false, mostThreads);
    assertThat(tuning.isTuned()).isEqualTo(isUsed);
    List<Tile> tiles = Tile.candidates(false);
    assertThat(tiles).contains(tuning.tile());
    assertThat(tuning.tile().threads()).isLessThanOrEqualTo(mostThreads);
    assertThat(tuning.tile().toString().equals(stored)).isEqualTo(isUsed);
  }

  @Test
  @EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
  void staleResultsAreReplacedWhenATileIsNeeded() {
    String device = "another device for tests";
    OpenClBackend.CACHE.put(
        "tile of matmul on " + device, "7x7 by 3".getBytes(StandardCharsets.UTF_8));
    Tuning tuning = new Tuning(device, true, 1);
    GpuContext context = (GpuContext) Device.of("opencl").context();
    Tile found = tuning.tile(context);
    assertThat(tuning.isTuned()).isTrue();
    Tuning later = new Tuning(device, true, 1);
    assertThat(later.isTuned()).isTrue();
    assertThat(later.tile(context)).isEqualTo(found);
  }
}
