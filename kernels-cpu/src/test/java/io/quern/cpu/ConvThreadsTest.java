package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.Conv2d;
import io.quern.op.Window;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.List;
import java.util.function.BinaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A convolution of one image has the same bits on any number of threads, whether they share its
 * rows, its channels or both, and whether they copy first what others have written.
 */
class ConvThreadsTest {
  private static final int THREADS = Workers.shared().threads();
  private static final int MOST_THREADS = 9;

  @AfterEach
  void computeOnAll() {
    Workers.setThreads(THREADS);
  }

  /** Channels, side, filters, kernel and what computes it. */
  @ParameterizedTest
  @CsvSource({
    "48, 13, 192, 3, winograd",
    "16, 13, 144, 3, winograd",
    "32, 27, 128, 3, winograd",
    "32, 27, 80, 3, winograd",
    "64, 16, 1, 1, gemm",
    "64, 55, 16, 1, gemm",
    "130, 47, 13, 1, gemm",
    "16, 27, 64, 1, gemm",
    "384, 13, 64, 1, pixels",
    "200, 13, 96, 1, pixels",
    "260, 13, 200, 1, pixels",
    "160, 7, 96, 3, pixels",
    "130, 9, 200, 3, pixels"
  })
  void oneImageHasTheSameBitsOnAnyNumberOfThreads(
      int c, int side, int filters, int kernel, String algorithm) {
    try (var _ = TensorScope.open()) {
      Tensor image = Rng.of(1).normal(Shape.of(1, c, side, side), 0, 1);
      Tensor weight = Rng.of(2).normal(Shape.of(filters, c, kernel, kernel), 0, 1);
      Tensor bias = Rng.of(3).normal(Shape.of(filters), 0, 1);
      Tensor residual = Rng.of(4).normal(Shape.of(1, filters, side, side), 0, 1);
      Conv2d conv = new Conv2d(Window.of(kernel).padding(kernel / 2), 1);
      byte[] expected = null;
      for (int threads = 1; threads <= MOST_THREADS; threads++) {
        Workers.setThreads(threads);
        Compiled compiled =
            Quern.compile(
                Device.cpu(),
                in -> List.of(Tensor.apply(conv, in.get(0), weight, bias).add(in.get(1)).relu()),
                List.of(image.spec(), residual.spec()));
        assertThat(compiled.plan().describe()).contains("conv2d_" + algorithm).contains("1 steps");
        byte[] result = compiled.run(image, residual).toByteArray();
        if (expected == null) {
          expected = result;
        }
        assertThat(result).as("%d threads", threads).isEqualTo(expected);
      }
    }
  }

  /**
   * Winograd's last transform rectifies by itself, also rows and columns of tiles that are cut, and
   * so do products as they store their sums; those of patches also add.
   */
  @ParameterizedTest
  @CsvSource({
    "16, 16, 64, 3, winograd",
    "32, 27, 80, 3, winograd",
    "48, 13, 192, 3, winograd",
    "16, 27, 70, 1, gemm",
    "16, 55, 64, 1, gemm",
    "300, 47, 13, 1, gemm",
    "3, 17, 12, 3, gemm",
    "260, 27, 13, 1, gemm",
    "260, 13, 200, 1, pixels",
    "130, 7, 70, 3, pixels"
  })
  void chainsHaveTheBitsOfWhatTheyAreApart(
      int c, int side, int filters, int kernel, String algorithm) {
    try (var _ = TensorScope.open()) {
      Tensor image = Rng.of(1).normal(Shape.of(2, c, side, side), 0, 1);
      Tensor weight = Rng.of(2).normal(Shape.of(filters, c, kernel, kernel), 0, 1);
      Tensor bias = Rng.of(3).normal(Shape.of(filters), 0, 1);
      Tensor residual = Rng.of(4).normal(Shape.of(2, filters, side, side), 0, 1);
      Conv2d conv = new Conv2d(Window.of(kernel).padding(kernel / 2), 1);
      List<BinaryOperator<Tensor>> functions =
          List.of(
              (x, _) -> Tensor.apply(conv, x, weight).relu(),
              (x, _) -> Tensor.apply(conv, x, weight, bias).relu(),
              (x, y) -> Tensor.apply(conv, x, weight).add(y),
              (x, y) -> Tensor.apply(conv, x, weight, bias).add(y).relu(),
              (x, y) -> y.add(Tensor.apply(conv, x, weight, bias)).relu(),
              (x, y) -> Tensor.apply(conv, x, weight, bias).add(y.slice(0, 0, 1)).relu());
      for (BinaryOperator<Tensor> function : functions) {
        Compiled compiled =
            Quern.compile(
                Device.cpu(),
                in -> List.of(function.apply(in.get(0), in.get(1))),
                List.of(image.spec(), residual.spec()));
        assertThat(compiled.plan().describe()).contains("conv2d_" + algorithm).contains("1 steps");
        byte[] apart = function.apply(image, residual).toByteArray();
        assertThat(compiled.run(image, residual).toByteArray()).isEqualTo(apart);
      }
    }
  }
}
