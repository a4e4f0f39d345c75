package io.quern.serve;

/**
 * Decides how many requests a free model waits for. Only the batcher's thread uses it.
 *
 * <p>While the model runs, requests gather by themselves. Waiting beyond that pays only when others
 * are about to call again: as many are expected as were in the last batch or came while it ran. A
 * lone caller never waits, and nobody waits longer than the model took for the last batch. When
 * nobody came in that time, the next 1, 2, 4, ... 64 batches do not wait.
 */
final class BatchPolicy {
  private static final int MOST_PENALTY = 64;

  private final int maxBatch;
  private final long maxDelay;
  private long lastRun = Long.MAX_VALUE;
  private int expected = 1;
  private int penalty = 1;
  private int batchesWithoutWait;

  BatchPolicy(int maxBatch, long maxDelayNanos) {
    this.maxBatch = maxBatch;
    this.maxDelay = maxDelayNanos;
  }

  /** The number of waiting requests that the model should run without delay. */
  int target() {
    return maxDelay == 0 || batchesWithoutWait > 0 ? 1 : expected;
  }

  /** Longest wait for more requests in nanoseconds. */
  long patience() {
    return Math.min(maxDelay, lastRun);
  }

  /** Tells that the model waited, from when {@code before} requests were there. */
  void waited(int before, int after) {
    if (after > before) {
      penalty = 1;
    } else {
      batchesWithoutWait = penalty + 1; // the batch that waited is counted off too
      penalty = Math.min(MOST_PENALTY, 2 * penalty);
    }
  }

  /** Tells that a batch has run, for how long, and how many requests came meanwhile. */
  void ran(int batch, long nanos, int waiting) {
    lastRun = nanos;
    expected = Math.min(maxBatch, batch + waiting);
    if (batchesWithoutWait > 0) {
      batchesWithoutWait--;
    }
  }
}
