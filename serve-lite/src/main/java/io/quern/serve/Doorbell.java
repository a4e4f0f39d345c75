package io.quern.serve;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Lets the batcher's thread spin for a moment, then sleep until enough requests wait, the queue is
 * closed or its own time has come. A sleeper costs nothing; callers pay for waking it only when it
 * sleeps.
 */
final class Doorbell {
  private static final long SPIN_NANOS = 10_000;

  private final RequestQueue queue;

  // Written by the sleeper before it looks at the queue, read by callers after they have entered
  // it: one of the two sees the other.
  private volatile @Nullable Thread sleeper;
  private volatile int enough = 1;

  // The sleeper's own.
  private long until;
  private long idleSince;
  private boolean idling;

  Doorbell(RequestQueue queue) {
    this.queue = queue;
  }

  /** From now on {@code requests} are worth waking up for; the batcher's thread only. */
  void sleepUntil(int requests) {
    sleepUntil(requests, Long.MAX_VALUE);
  }

  /** As {@link #sleepUntil(int)}, but until {@code deadline} of nanoTime at most. */
  void sleepUntil(int requests, long deadline) {
    enough = requests;
    until = deadline;
  }

  /** Wakes the sleeper when enough requests wait; any thread. */
  void ring() {
    Thread thread = sleeper;
    if (thread != null && isDue()) {
      LockSupport.unpark(thread);
    }
  }

  private boolean isDue() {
    return queue.waiting() >= enough || queue.isClosed();
  }

  /** Waits a moment, or sleeps. */
  void idle() {
    long now = System.nanoTime();
    if (!idling) {
      idling = true;
      idleSince = now;
    }
    long idle = now - idleSince;
    if (idle < SPIN_NANOS || queue.isClosed()) {
      Thread.onSpinWait();
    } else {
      sleep(now);
    }
    Thread.interrupted(); // an interrupted thread would not sleep any more
  }

  private void sleep(long now) {
    sleeper = Thread.currentThread();
    if (!isDue()) {
      if (until == Long.MAX_VALUE) {
        LockSupport.park(this);
      } else if (until - now > 0) {
        LockSupport.parkNanos(this, until - now);
      }
    }
    sleeper = null;
  }

  /** There was work. */
  void reset() {
    idling = false;
  }
}
