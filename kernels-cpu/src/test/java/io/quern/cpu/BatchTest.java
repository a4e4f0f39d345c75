package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
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
}
