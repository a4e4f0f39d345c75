package io.quern.train;

import io.quern.Batch;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.BatchNorm1d;
import io.quern.nn.Dropout;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.Sequential;
import io.quern.nn.Tanh;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** Small problems for the tests of training. */
final class TinyData {
  private TinyData() {}

  /** Points of the plane and whether the product of their coordinates is positive. */
  static Batch xor(long seed, int size) {
    Tensor points = Rng.of(seed).uniform(size, 2).mul(2).sub(1);
    float[] x = points.toFloatArray();
    long[] labels = new long[size];
    for (int i = 0; i < size; i++) {
      labels[i] = x[2 * i] * x[2 * i + 1] > 0 ? 1 : 0;
    }
    return new Batch(points, Tensor.of(labels));
  }

  /** Batches that stay open. */
  static List<Batch> list(int batches, int size) {
    List<Batch> list = new ArrayList<>();
    for (int i = 0; i < batches; i++) {
      list.add(xor(i, size));
    }
    return list;
  }

  /** Batches as a loader makes them: each anew, for the consumer to close. */
  static final class Stream implements Iterable<Batch> {
    private final int batches;
    private final int size;
    final List<Batch> made = new ArrayList<>();
    int closedIterators;

    Stream(int batches, int size) {
      this.batches = batches;
      this.size = size;
    }

    @Override
    public Iterator<Batch> iterator() {
      return new Pass();
    }

    private final class Pass implements Iterator<Batch>, AutoCloseable {
      private int at;

      @Override
      public boolean hasNext() {
        return at < batches;
      }

      @Override
      public Batch next() {
        if (at == batches) {
          throw new NoSuchElementException();
        }
        Batch batch = xor(at++, size);
        made.add(batch);
        return batch;
      }

      @Override
      public void close() {
        closedIterators++;
      }
    }
  }

  /** A model with everything that has state: normalisation and dropout. */
  static Module stateful(long seed) {
    Rng rng = Rng.of(seed);
    return Sequential.of(
        Linear.of(2, 12, rng),
        BatchNorm1d.of(12),
        new Tanh(),
        Dropout.of(0.2),
        Linear.of(12, 2, rng));
  }

  static Module plain(long seed) {
    Rng rng = Rng.of(seed);
    return Sequential.of(Linear.of(2, 12, rng), new Tanh(), Linear.of(12, 2, rng));
  }
}
