package io.quern.loader;

import io.quern.Batch;
import io.quern.Tensor;
import java.util.NoSuchElementException;
import java.util.function.LongUnaryOperator;

/**
 * Pairs of features and labels in some order. Row {@code i} of both tensors is example {@code i}.
 *
 * <p>A dataset describes, it holds nothing but the two tensors, which must stay open while it is
 * used; {@link #take}, {@link #skip} and {@link #shuffle} give new descriptions in no time and
 * apply in the order in which they are called: {@code take(100).shuffle(seed)} has the same 100
 * examples in every epoch, {@code shuffle(seed).take(100)} others in each. Immutable and
 * thread-safe.
 *
 * {@snippet :
 * Dataset examples = Dataset.of(Idx.read(images), Idx.read(labels));
 * Batches training =
 *     examples
 *         .shuffle(42)
 *         .batch(128)
 *         .mapInput(image -> image.to(DType.F32).mul(1 / 255.0))
 *         .prefetch(4);
 * trainer.fit(training::epoch);
 * }
 */
public final class Dataset {
  private final Tensor features;
  private final Tensor labels;
  private final Order order;

  private Dataset(Tensor features, Tensor labels, Order order) {
    this.features = features;
    this.labels = labels;
    this.order = order;
  }

  /**
   * The rows of two tensors of any dtype, [n, ...] each, in the order in which they lie.
   *
   * @throws IllegalArgumentException if one is a scalar or their first dimensions differ
   */
  public static Dataset of(Tensor features, Tensor labels) {
    if (features.rank() == 0 || labels.rank() == 0 || features.dim(0) != labels.dim(0)) {
      throw new IllegalArgumentException(
          "dataset: features and labels need the same first dimension, found "
              + (features.spec() + " and " + labels.spec()));
    }
    return new Dataset(features, labels, Order.sequential(features.dim(0)));
  }

  /** Number of examples in an epoch. */
  public long size() {
    return order.size();
  }

  /** The first {@code count} examples, or all when there are fewer. */
  public Dataset take(long count) {
    return with(order.range(0, Batches.atMost("take", count, size())));
  }

  /** All but the first {@code count} examples; none when there are no more. */
  public Dataset skip(long count) {
    return with(order.range(Batches.atMost("skip", count, size()), size()));
  }

  /**
   * All examples in random order, each exactly once. The order follows from {@code seed} and the
   * epoch alone and takes no memory, whatever the size.
   */
  public Dataset shuffle(long seed) {
    return with(order.shuffled(seed));
  }

  private Dataset with(Order newOrder) {
    return new Dataset(features, labels, newOrder);
  }

  /** {@link #batch(int, boolean)} that keeps a last batch of fewer examples. */
  public Batches batch(int size) {
    return batch(size, false);
  }

  /**
   * Groups of {@code size} examples: rows [size, ...] of both tensors, on their devices. Rows that
   * follow each other in the tensors are a view of them, others a copy; batches are not to be
   * written to.
   *
   * @param dropLast whether to leave out what remains when the size does not divide the number of
   *     examples; else the last batch is smaller
   */
  public Batches batch(int size, boolean dropLast) {
    if (size < 1) {
      throw new IllegalArgumentException("batch: expected a size of 1 or more, found " + size);
    }
    long count = size() / size + (!dropLast && size() % size != 0 ? 1 : 0);
    return new Batches(count, (epoch, from, to) -> new Reader(epoch, size, from, to));
  }

  /** Gathers the batches {@code next} to {@code end} of an epoch. */
  private final class Reader implements BatchIterator {
    private final LongUnaryOperator example;
    private final int batchSize;
    private final long end;
    private long next;

    Reader(long epoch, int batchSize, long from, long to) {
      this.example = order.inEpoch().apply(epoch);
      this.batchSize = batchSize;
      this.next = from;
      this.end = to;
    }

    @Override
    public boolean hasNext() {
      return next < end;
    }

    @Override
    public Batch next() {
      if (!hasNext()) {
        throw new NoSuchElementException("dataset: no more batches in this epoch");
      }
      long first = next++ * batchSize;
      long[] rows = new long[(int) Math.min(batchSize, size() - first)];
      for (int i = 0; i < rows.length; i++) {
        rows[i] = example.applyAsLong(first + i);
      }
      return isConsecutive(rows) ? view(rows[0], rows.length) : copy(rows);
    }

    @Override
    public void close() {
      next = end;
    }
  }

  private static boolean isConsecutive(long[] rows) {
    for (int i = 1; i < rows.length; i++) {
      if (rows[i] != rows[0] + i) {
        return false;
      }
    }
    return true;
  }

  private Batch view(long first, int count) {
    return new Batch(
        features.slice(0, first, first + count), labels.slice(0, first, first + count));
  }

  private Batch copy(long[] rows) {
    try (Tensor indices = Tensor.of(rows)) {
      return new Batch(
          features.gather(0, indices.to(features.device())),
          labels.gather(0, indices.to(labels.device())));
    }
  }
}
