package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.conformance.Comparison;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import io.quern.gpu.ConvTilesCheck;
import io.quern.gpu.GpuContext;
import io.quern.gpu.MatMulKernels;
import io.quern.gpu.Products;
import io.quern.op.MatMul;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The tiles that other devices than this one get. */
@EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
class TilesTest {
  private final GpuContext context =
      new GpuContext(new OpenClGpu(Library.get().devices().getFirst()));

  static List<Tile> tiles() {
    return Stream.of(true, false).flatMap(cpu -> Tile.candidates(cpu).stream()).toList();
  }

  @ParameterizedTest
  @MethodSource("tiles")
  void everyTileComputesEveryProduct(Tile tile) {
    int checked =
        checkProducts(
            key ->
                Products.of(key).map(of -> TiledProducts.create(context, of, tile)).orElse(null));
    assertThat(checked).isGreaterThan(20);
  }

  @Test
  void productsWithoutATile() {
    assertThat(checkProducts(key -> MatMulKernels.create(context, key))).isGreaterThan(20);
  }

  private int checkProducts(Function<KernelKey, @Nullable Kernel> factory) {
    int checked = 0;
    for (OpCase opCase : OpCases.all()) {
      if (opCase.op() instanceof MatMul && opCase.mayHaveKernel()) {
        KernelKey key = KernelCheck.key(opCase);
        Kernel kernel = key.all(DType.F32) ? factory.apply(key) : null;
        if (kernel != null) {
          KernelCheck.run(new Comparison(opCase), context, kernel);
          checked++;
        }
      }
    }
    return checked;
  }

  @Test
  void everyTileComputesEveryConvolution() {
    assertThat(ConvTilesCheck.run(context, 1)).isNotEmpty();
  }
}
