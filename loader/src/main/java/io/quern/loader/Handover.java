package io.quern.loader;

import io.quern.Batch;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * A bounded queue of batches from the one thread that makes them to the one that uses them. It ends
 * from either side: the maker finishes, the user closes.
 */
final class Handover {
  private final int capacity;
  private final ArrayDeque<Batch> ready = new ArrayDeque<>();
  private boolean finished;
  private boolean closed;
  private @Nullable Throwable failure;

  Handover(int capacity) {
    this.capacity = capacity;
  }

  // ---- for the maker ----------------------------------------------------------------------

  synchronized boolean isFull() {
    return ready.size() == capacity && !closed;
  }

  synchronized boolean isClosed() {
    return closed;
  }

  /** Waits until there is room, or nothing more is wanted. */
  synchronized void awaitRoom() throws InterruptedException {
    while (isFull()) {
      wait();
    }
  }

  /** Adds a batch, or closes it when nothing more is wanted. */
  synchronized void put(Batch batch) {
    if (closed) {
      batch.close();
    } else {
      ready.add(batch);
      notifyAll();
    }
  }

  /**
   * Says that no more batches come, and why if that is for a failure; only the first call counts.
   */
  synchronized void finish(@Nullable Throwable reason) {
    if (!finished) {
      finished = true;
      failure = reason;
      notifyAll();
    }
  }

  // ---- for the user -----------------------------------------------------------------------

  /** Waits for the next batch; null when no more come. */
  synchronized @Nullable Batch take() throws InterruptedException {
    while (ready.isEmpty() && !finished && !closed) {
      wait();
    }
    notifyAll();
    return ready.poll();
  }

  /** Why no more batches come, or null when all have come. */
  synchronized @Nullable Throwable failure() {
    return closed ? null : failure;
  }

  /** Says that no more batches are wanted, and closes those that nobody took. */
  synchronized void close() {
    closed = true;
    ready.forEach(Batch::close);
    ready.clear();
    notifyAll();
  }
}
