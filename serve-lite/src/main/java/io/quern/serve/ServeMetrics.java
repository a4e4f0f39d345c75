package io.quern.serve;

import java.time.Duration;
import java.util.Locale;

/**
 * What a {@link ModelHandle} has done since it was made.
 *
 * <p>Latency is measured from the call of {@code predict} or {@code submit} to the moment at which
 * the result is there, for requests that the model ran, failed ones included. Percentiles are exact
 * to three digits.
 *
 * @param ok requests with a result
 * @param failed requests on which the model failed
 * @param rejected requests turned away by a full queue
 * @param invalid requests with a wrong dtype or shape
 * @param cancelled requests given up by their callers before the model ran
 * @param batches runs of the model
 * @param meanBatch mean number of requests in a run
 * @param largestBatch most requests in a run
 * @param perSecond requests run per second between the first one's arrival and the last one's end
 * @param p50 median latency
 * @param p99 latency that 99 % of the requests stayed below
 * @param p999 latency that 99.9 % of the requests stayed below
 * @param max longest latency
 */
public record ServeMetrics(
    long ok,
    long failed,
    long rejected,
    long invalid,
    long cancelled,
    long batches,
    double meanBatch,
    int largestBatch,
    double perSecond,
    Duration p50,
    Duration p99,
    Duration p999,
    Duration max) {

  /** The figures as lines of text for people. */
  public String toTable() {
    return String.format(
        Locale.ROOT,
        """
        requests    %,d ok, %,d failed, %,d rejected, %,d invalid, %,d cancelled
        throughput  %,.0f requests/s
        latency     p50 %s, p99 %s, p99.9 %s, max %s
        batches     %,d, mean size %.1f, largest %d
        """,
        ok,
        failed,
        rejected,
        invalid,
        cancelled,
        perSecond,
        millis(p50),
        millis(p99),
        millis(p999),
        millis(max),
        batches,
        meanBatch,
        largestBatch);
  }

  private static String millis(Duration duration) {
    return String.format(Locale.ROOT, "%.2f ms", duration.toNanos() / 1e6);
  }
}
