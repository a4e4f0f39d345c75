package io.quern.serve;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A bounded queue from many callers to one batcher that can be closed. Admission is decided by one
 * counter, which a request enters before the queue: once it is closed and zero, nothing can come
 * any more.
 */
final class RequestQueue {
  /** Set in {@link #admitted} when the queue is closed. */
  private static final int CLOSED = Integer.MIN_VALUE;

  private final ConcurrentLinkedQueue<Request> requests = new ConcurrentLinkedQueue<>();
  private final AtomicInteger admitted = new AtomicInteger();
  private final int capacity;

  RequestQueue(int capacity) {
    this.capacity = capacity;
  }

  /** How {@link #offer} went. */
  enum Admission {
    ACCEPTED,
    FULL,
    CLOSED
  }

  Admission offer(Request request) {
    int count;
    do {
      count = admitted.get();
      if (count < 0) {
        return Admission.CLOSED;
      }
      if (count >= capacity) {
        return Admission.FULL;
      }
    } while (!admitted.compareAndSet(count, count + 1));
    boolean queued = false;
    try {
      queued = requests.add(request);
    } finally {
      if (!queued) {
        admitted.getAndDecrement();
      }
    }
    return Admission.ACCEPTED;
  }

  /** The request that waits longest, or null when there is none yet; for the batcher only. */
  @Nullable Request peek() {
    return requests.peek();
  }

  /** Takes the request that waits longest, or null when there is none yet; for the batcher only. */
  @Nullable Request poll() {
    Request request = requests.poll();
    if (request != null) {
      admitted.getAndDecrement();
    }
    return request;
  }

  /** Requests admitted and not taken; the last of them may not have reached the queue yet. */
  int waiting() {
    return admitted.get() & ~CLOSED;
  }

  int capacity() {
    return capacity;
  }

  /** Admits nothing from now on. */
  void close() {
    admitted.getAndUpdate(count -> count | CLOSED);
  }

  boolean isClosed() {
    return admitted.get() < 0;
  }

  /** Whether it is closed and every admitted request was taken. */
  boolean isDrained() {
    return admitted.get() == CLOSED;
  }
}
