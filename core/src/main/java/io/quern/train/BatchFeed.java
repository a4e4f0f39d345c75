package io.quern.train;

import io.quern.Batch;
import java.util.Collection;
import java.util.Iterator;

/**
 * One pass over some data. Batches are closed after use unless the data is a collection, which
 * still holds them; the iterator is closed at the end if it can be, which stops loaders' threads.
 */
final class BatchFeed implements AutoCloseable {
  private final boolean owned;
  private final Iterator<Batch> batches;

  BatchFeed(Iterable<Batch> data) {
    this.owned = !(data instanceof Collection);
    this.batches = data.iterator();
  }

  boolean hasNext() {
    return batches.hasNext();
  }

  Batch next() {
    return batches.next();
  }

  /** Gives back a batch after use. */
  void done(Batch batch) {
    if (owned) {
      batch.close();
    }
  }

  /** Passes over batches that were used before a checkpoint. */
  void skip(long count) {
    for (long i = 0; i < count; i++) {
      if (!batches.hasNext()) {
        throw new IllegalStateException(
            "training: the checkpoint was written after batch "
                + count
                + " of its epoch, but the data has only "
                + i
                + "; resume with the same data");
      }
      done(batches.next());
    }
  }

  @Override
  public void close() {
    if (batches instanceof AutoCloseable closeable) {
      try {
        closeable.close();
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException("training: the data's iterator cannot be closed", e);
      }
    }
  }
}
