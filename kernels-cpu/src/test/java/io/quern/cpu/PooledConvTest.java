package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.graph.Pass;
import io.quern.op.Conv2d;
import io.quern.op.Pool2d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A convolution with its maxima has the bits of both apart, on any number of threads. */
class PooledConvTest {
  private static final int THREADS = Workers.shared().threads();

  @AfterEach
  void computeOnAll() {
    Workers.setThreads(THREADS);
  }

  private static Window window(int kernel, int stride, int padding) {
    return Window.of(kernel).stride(stride).padding(padding);
  }

  private static Compiled compiled(
      Window conv, Window pool, boolean isRectified, TensorSpec image, Tensor... parameters) {
    return Quern.compile(
        Device.cpu(),
        in -> {
          Tensor x = Tensor.apply(new Conv2d(conv, 1), in.getFirst(), parameters[0], parameters[1]);
          Tensor y = isRectified ? x.relu() : x.tanh();
          return List.of(Tensor.apply(new Pool2d(Pool2d.Fn.MAX, pool, false), y));
        },
        List.of(image));
  }

  /** The first steps of well-known networks, and windows of other sizes, steps and paddings. */
  @ParameterizedTest
  @CsvSource({
    "1, 3, 65, 64, 3, 2, 0, 3, 2, 0",
    "2, 3, 64, 64, 7, 2, 3, 3, 2, 1",
    "1, 3, 64, 24, 3, 2, 1, 3, 2, 1",
    "1, 4, 32, 96, 5, 1, 2, 2, 2, 0",
    "3, 4, 24, 90, 5, 1, 2, 3, 2, 1",
    "1, 4, 32, 30, 5, 1, 2, 2, 3, 0"
  })
  void pooledConvolutionHasTheBitsOfBothApart(
      int n,
      int c,
      int side,
      int filters,
      int kernel,
      int stride,
      int padding,
      int pooled,
      int poolStride,
      int poolPadding) {
    try (var _ = TensorScope.open()) {
      Tensor image = Rng.of(1).normal(Shape.of(n, c, side, side), 0, 1);
      Tensor weight = Rng.of(2).normal(Shape.of(filters, c, kernel, kernel), 0, 1);
      Tensor bias = Rng.of(3).normal(Shape.of(filters), 0, 1);
      Window conv = window(kernel, stride, padding);
      Window pool = window(pooled, poolStride, poolPadding);
      for (boolean isRectified : new boolean[] {true, false}) {
        Compiled together = compiled(conv, pool, isRectified, image.spec(), weight, bias);
        Compiled apart =
            together.with(
                Arrays.stream(Pass.values())
                    .filter(pass -> pass != Pass.POOLS)
                    .toArray(Pass[]::new));
        assertThat(together.plan().describe()).contains("conv2d_pooled_").contains("1 steps");
        assertThat(apart.plan().describe()).doesNotContain("pooled").contains("2 steps");
        byte[] expected = apart.run(image).toByteArray();
        for (int threads = 1; threads <= 3; threads++) {
          Workers.setThreads(threads);
          assertThat(together.run(image).toByteArray())
              .as("%d threads, relu %s", threads, isRectified)
              .isEqualTo(expected);
        }
      }
    }
  }

  /**
   * Where rows fill few tiles, convolutions are computed in another way, windows share many rows or
   * are of too many, both are apart.
   */
  @ParameterizedTest
  @CsvSource({"17, 5, 2, 2, 2", "32, 3, 1, 2, 2", "32, 5, 2, 3, 1", "360, 5, 2, 360, 360"})
  void othersAreComputedApart(int side, int kernel, int padding, int pooled, int poolStride) {
    try (var _ = TensorScope.open()) {
      Tensor image = Rng.of(1).normal(Shape.of(1, 4, side, side), 0, 1);
      Tensor weight = Rng.of(2).normal(Shape.of(64, 4, kernel, kernel), 0, 1);
      Compiled compiled =
          compiled(
              window(kernel, 1, padding),
              window(pooled, poolStride, 0),
              true,
              image.spec(),
              weight,
              Tensor.zeros(64));
      assertThat(compiled.plan().describe()).doesNotContain("pooled").contains("2 steps");
    }
  }
}
