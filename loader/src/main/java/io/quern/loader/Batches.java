package io.quern.loader;

import io.quern.Batch;
import io.quern.Tensor;
import java.util.function.UnaryOperator;

/**
 * The batches of a {@link Dataset} and what is done to them on their way to the consumer. A
 * description that can be iterated any number of times: the same epoch gives the same bits, with
 * and without prefetching. Immutable and thread-safe.
 *
 * <p>{@link #iterator()} is epoch 0; {@link #epoch} gives the others, in which a shuffled dataset
 * has another order. A trainer takes all of them as {@code trainer.fit(batches::epoch)}.
 */
public final class Batches implements Iterable<Batch> {
  private final long count;
  private final Stage stage;

  /** One step of the way. */
  interface Stage {
    /** Starts at batch {@code from} (inclusive) of an epoch and ends at {@code to} (exclusive). */
    BatchIterator open(long epoch, long from, long to);
  }

  Batches(long count, Stage stage) {
    this.count = count;
    this.stage = stage;
  }

  /** Number of batches in an epoch. */
  public long count() {
    return count;
  }

  /** The batches of epoch 0. */
  @Override
  public BatchIterator iterator() {
    return stage.open(0, 0, count);
  }

  /** These batches as they are in one epoch, counted from 0, whichever they are asked for. */
  public Batches epoch(long epoch) {
    if (epoch < 0) {
      throw new IllegalArgumentException("epoch: expected 0 or more, found " + epoch);
    }
    return new Batches(count, (ignored, from, to) -> stage.open(epoch, from, to));
  }

  /** The first {@code batches} of each epoch, or all when there are fewer. */
  public Batches take(long batches) {
    return range(0, atMost("take", batches, count));
  }

  /** All but the first {@code batches} of each epoch, which are not even made. */
  public Batches skip(long batches) {
    return range(atMost("skip", batches, count), count);
  }

  private Batches range(long start, long end) {
    return new Batches(
        end - start, (epoch, from, to) -> stage.open(epoch, start + from, start + to));
  }

  /** {@code count} limited to {@code size}. */
  static long atMost(String op, long count, long size) {
    if (count < 0) {
      throw new IllegalArgumentException(op + ": expected 0 or more, found " + count);
    }
    return Math.min(count, size);
  }

  /**
   * Applies a function to every batch, on the thread that makes the batches. Tensors that the
   * function makes on its way are closed, and so are those of its argument unless it passes them
   * on; those of its result belong to the consumer.
   */
  public Batches map(UnaryOperator<Batch> function) {
    return new Batches(
        count, (epoch, from, to) -> new MapIterator(stage.open(epoch, from, to), function));
  }

  /** {@link #map} for the inputs alone. */
  public Batches mapInput(UnaryOperator<Tensor> function) {
    return map(batch -> new Batch(function.apply(batch.input()), batch.target()));
  }

  /** {@link #map} for the targets alone. */
  public Batches mapTarget(UnaryOperator<Tensor> function) {
    return map(batch -> new Batch(batch.input(), function.apply(batch.target())));
  }

  /**
   * Makes up to {@code depth} batches ahead on a thread of its own, which starts with the iterator
   * and sleeps while it is ahead. Order and bits stay the same. An exception on that thread is
   * thrown by {@link BatchIterator#next} when its batch is due. A consumer that is interrupted
   * while it waits gets a {@link java.util.concurrent.CancellationException} and stays interrupted.
   */
  public Batches prefetch(int depth) {
    if (depth < 1) {
      throw new IllegalArgumentException("prefetch: expected a depth of 1 or more, found " + depth);
    }
    return new Batches(
        count, (epoch, from, to) -> PrefetchIterator.start(stage.open(epoch, from, to), depth));
  }
}
