package io.quern.serve;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;
import org.jspecify.annotations.Nullable;

/** Counts and times requests. The batcher's thread writes; refusals and reads come from any. */
final class Meter {
  private static final System.Logger LOG = System.getLogger("io.quern.serve");
  private static final int DIGITS = 3;

  private final SingleWriterRecorder latencies = new SingleWriterRecorder(DIGITS);
  private final Histogram total = new Histogram(DIGITS);
  private @Nullable Histogram interval;

  private final LongAdder answered = new LongAdder();
  private final LongAdder failed = new LongAdder();
  private final LongAdder cancelled = new LongAdder();
  private final LongAdder rejected = new LongAdder();
  private final LongAdder invalid = new LongAdder();
  private final LongAdder batches = new LongAdder();
  private final LongAdder batched = new LongAdder();
  private volatile int largestBatch;

  private volatile boolean started;
  private volatile long firstArrival;
  private volatile long lastEnd;

  /** For what may not happen: the batcher keeps the model's failures to itself. */
  static void logUnexpected(Throwable unexpected) {
    LOG.log(Level.ERROR, "serving thread: unexpected failure", unexpected);
  }

  void invalid() {
    invalid.increment();
  }

  void rejected() {
    rejected.increment();
  }

  void cancelled() {
    cancelled.increment();
  }

  /** The model ran for this many requests; a failed batch counts by its retries. */
  void batch(int size) {
    batches.increment();
    batched.add(size);
    if (size > largestBatch) {
      largestBatch = size;
    }
  }

  void answered(long arrived) {
    ended(arrived);
    answered.increment();
  }

  void failed(long arrived) {
    ended(arrived);
    failed.increment();
  }

  private void ended(long arrived) {
    long now = System.nanoTime();
    if (!started) {
      firstArrival = arrived;
      started = true;
    }
    lastEnd = now;
    latencies.recordValue(Math.max(0, now - arrived));
  }

  synchronized ServeMetrics snapshot() {
    interval = latencies.getIntervalHistogram(interval);
    total.add(interval);
    double seconds = started ? (lastEnd - firstArrival) * 1e-9 : 0;
    long ended = answered.sum() + failed.sum();
    long ran = batches.sum();
    return new ServeMetrics(
        answered.sum(),
        failed.sum(),
        rejected.sum(),
        invalid.sum(),
        cancelled.sum(),
        ran,
        ran == 0 ? 0 : (double) batched.sum() / ran,
        largestBatch,
        seconds > 0 ? ended / seconds : 0,
        percentile(50),
        percentile(99),
        percentile(99.9),
        Duration.ofNanos(total.getMaxValue()));
  }

  private Duration percentile(double percent) {
    return Duration.ofNanos(total.getTotalCount() == 0 ? 0 : total.getValueAtPercentile(percent));
  }
}
