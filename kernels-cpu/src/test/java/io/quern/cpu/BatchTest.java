package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Window;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An example has the same bits alone as in a batch. */
@Tag("conformance")
class BatchTest {
  private static void requireSame(Tensor batch, UnaryOperator<Tensor> function) {
    Tensor together = function.apply(batch);
    for (long size : new long[] {1, 2, 7}) {
      for (long row = 0; row + size <= batch.dim(0); row += size) {
        assertThat(function.apply(batch.slice(0, row, row + size)).toByteArray())
            .as("rows %d to %d", row, row + size)
            .isEqualTo(together.slice(0, row, row + size).toByteArray());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"5,3", "100,1", "384,40", "385,33", "1000,130", "2000,1"})
  void rowsOfAProductDoNotDependOnEachOther(long k, long n) {
    try (var _ = TensorScope.open()) {
      Tensor batch = Rng.of(1).normal(29, k);
      Tensor weight = Rng.of(2).normal(k, n);
      Tensor transposed = Rng.of(3).normal(n, k).transpose(0, 1);
      requireSame(batch, x -> x.matmul(weight));
      requireSame(batch, x -> x.matmul(transposed));
    }
  }

  @ParameterizedTest
  @CsvSource({"1", "33", "1000"})
  void rowsOfSoftmaxAndSumsDoNotDependOnEachOther(long n) {
    try (var _ = TensorScope.open()) {
      Tensor batch = Rng.of(1).normal(29, n);
      requireSame(batch, x -> x.softmax(1));
      requireSame(batch, x -> x.logSoftmax(1));
      requireSame(batch, x -> x.sum(1));
    }
  }

  /** Layers small and large, so that every algorithm is met, with the gradient of the images. */
  @ParameterizedTest
  @CsvSource({"3,7,4", "16,4,16", "32,7,32", "64,7,64", "32,14,16", "16,28,16"})
  void imagesOfAConvolutionDoNotDependOnEachOther(long channels, long size, long out) {
    try (var _ = TensorScope.open()) {
      Tensor batch = Rng.of(1).normal(29, channels, size, size);
      Tensor weight = Rng.of(2).normal(out, channels, 3, 3);
      Tensor gradients = Rng.of(3).normal(29, out, size, size);
      Window window = Window.of(3).padding(1);
      requireSame(batch, x -> Tensor.apply(new Conv2d(window, 1), x, weight));
      requireSame(
          gradients,
          x -> {
            Shape image = Shape.of(x.dim(0), channels, size, size);
            return Tensor.apply(new Conv2dInputGrad(window, 1, image), weight, x);
          });
    }
  }
}
