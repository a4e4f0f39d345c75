package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.Device;
import io.quern.backend.Kernel;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import io.quern.gpu.ConvKernels;
import io.quern.gpu.ConvTile;
import io.quern.gpu.GpuContext;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The tiles that only convolutions larger than the conformance cases get. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class ConvKernelsTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void everyTileComputesEveryConvolution(int parts) {
    GpuContext context = (GpuContext) Device.of("cuda").context();
    TreeSet<String> kernels = new TreeSet<>();
    for (ConvTile tile : ConvTile.TILES) {
      for (OpCase opCase : OpCases.all()) {
        if (!opCase.op().name().startsWith("conv2d") || !opCase.mayHaveKernel()) {
          continue;
        }
        Kernel kernel =
            ConvKernels.create(
                context, KernelCheck.key(opCase), (m, n, k, groups) -> tile.parts(parts));
        if (kernel != null && kernels.add(kernel.name() + " " + opCase.name())) {
          KernelCheck.run(opCase, context, kernel);
        }
      }
    }
    for (ConvTile tile : ConvTile.TILES) {
      String name = "conv2d_weight_grad_" + tile.m() + "x" + tile.n() + "_f32";
      assertTrue(kernels.stream().anyMatch(each -> each.startsWith(name)), name);
    }
  }

  @Test
  void largeProductsGetLargeTilesAndLongSumsParts() {
    assertEquals(ConvTile.TILES.getFirst(), ConvTile.of(256, 1 << 20, 2304, 1));
    assertTrue(ConvTile.of(64, 64, 1 << 20, 1).parts() > 64);
    assertEquals(32, ConvTile.of(32, 9, 1 << 20, 1).n());
  }
}
