package io.quern.loader;

import io.quern.Batch;
import io.quern.Tensor;
import io.quern.TensorScope;
import java.util.Objects;
import java.util.function.UnaryOperator;

/** Applies a function to each batch of another iterator. */
final class MapIterator implements BatchIterator {
  private final BatchIterator source;
  private final UnaryOperator<Batch> function;

  MapIterator(BatchIterator source, UnaryOperator<Batch> function) {
    this.source = source;
    this.function = function;
  }

  @Override
  public boolean hasNext() {
    return source.hasNext();
  }

  @Override
  public Batch next() {
    Batch batch = source.next();
    try {
      Batch result = apply(batch);
      closeUnlessPassedOn(batch.input(), result);
      closeUnlessPassedOn(batch.target(), result);
      return result;
    } catch (Throwable t) {
      batch.close();
      close();
      throw t;
    }
  }

  private Batch apply(Batch batch) {
    try (TensorScope scope = TensorScope.open("Batches.map")) {
      Batch result =
          Objects.requireNonNull(function.apply(batch), "map: the function returned null");
      scope.keep(result.input());
      scope.keep(result.target());
      return result;
    }
  }

  private static void closeUnlessPassedOn(Tensor tensor, Batch result) {
    if (tensor != result.input() && tensor != result.target()) {
      tensor.close();
    }
  }

  @Override
  public void close() {
    source.close();
  }
}
