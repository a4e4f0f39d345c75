package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.BlockMatMul;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which kernels products with weights of few bits have; the conformance cases run all of them. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class BlockProductKernelsTest {
  private static final int N = 24;
  private static final int K = 160;
  private static final int BLOCK = 32;

  private final Device device = Device.of("cuda");

  private Compiled product(int bits, int rows) {
    Tensor weights = Tensor.full(3, DType.U8, device, N, K / BLOCK, BLOCK * bits / 8);
    Tensor scales = Rng.of(1).uniform(N, K / BLOCK).to(device);
    return Quern.compile(
        device,
        in -> List.of(Tensor.apply(new BlockMatMul(bits, BLOCK), in.getFirst(), weights, scales)),
        List.of(new TensorSpec(DType.F32, Shape.of(rows, K))));
  }

  @ParameterizedTest
  @CsvSource({
    "4, 1, matmul_blocks_4_row",
    "4, 2, matmul_blocks_4_rows",
    "8, 1, matmul_blocks_8_row",
    "8, 16, matmul_blocks_8_rows",
    "4, 17, matmul_32_f32",
  })
  void kernelsFollowTheRows(int bits, int rows, String kernel) {
    assertThat(product(bits, rows).plan().kernels())
        .singleElement()
        .satisfies(name -> assertThat(name).startsWith(kernel));
  }

  /** The first rows of many, whose weights are unpacked, are about those of a few. */
  @Test
  void fewRowsAreAsAmongMany() {
    Tensor x = Rng.of(2).normal(40, K).to(device);
    float[] many = product(4, 40).run(x).slice(0, 0, 3).toFloatArray();
    float[] few = product(4, 3).run(x.slice(0, 0, 3)).toFloatArray();
    // K + 2 roundings in each, of sums of K products of weights up to 8 and factors up to 6.
    double error = 2 * (K + 2) * 0x1p-24 * K * 8 * 6;
    for (int i = 0; i < few.length; i++) {
      assertThat((double) few[i]).isCloseTo(many[i], within(error));
    }
  }
}
