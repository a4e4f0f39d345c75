package io.quern.plan;

import io.quern.Tensor;
import io.quern.op.TensorSpec;
import io.quern.runtime.Log;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Runs of a plan on zeros until they take no less time any more: what lies between its kernels is
 * Java, which the JVM compiles once it has run often enough, on cores that the plan wants for
 * itself.
 */
final class Rehearsal implements AutoCloseable {
  /** Runs that follow each other; then the JVM's compilers have the cores as long. */
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(30);

  private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** Windows without progress after which it is over, and what counts as progress. */
  private static final int PATIENCE = 6;

  private static final double PROGRESS = 0.97;

  private final Plan plan;
  private final Tensor[] arguments;
  private final Tensor[] results;

  private Rehearsal(Plan plan) {
    this.plan = plan;
    this.arguments = zeros(plan, plan.inputs());
    this.results = zeros(plan, plan.outputs());
  }

  private static Tensor[] zeros(Plan plan, List<TensorSpec> specs) {
    return specs.stream()
        .map(spec -> Tensor.full(0, spec.dtype(), plan.device(), spec.shape().toArray()))
        .toArray(Tensor[]::new);
  }

  /** Rehearses a plan whose runs leave nothing behind but their results. */
  static void of(Plan plan) {
    try (Rehearsal rehearsal = new Rehearsal(plan)) {
      rehearsal.run();
    } catch (RuntimeException | OutOfMemoryError e) {
      // There are functions that zeros are not for, and there may be no memory for them.
      Log.get().log(Level.DEBUG, "a plan was not rehearsed", e);
    }
  }

  private void run() {
    if (!plan.device().context().isHostMemory()) {
      plan.run(arguments, results); // others run on their own, and load what they need once
      return;
    }
    long begin = System.nanoTime();
    long best = Long.MAX_VALUE;
    int patience = PATIENCE;
    while (patience > 0 && System.nanoTime() - begin < MOST_NANOS) {
      long now = window();
      patience = now < PROGRESS * best ? PATIENCE : patience - 1;
      best = Math.min(best, now);
      LockSupport.parkNanos(WINDOW_NANOS);
    }
  }

  /** Nanoseconds of a run, on average of a window. */
  private long window() {
    long begin = System.nanoTime();
    long runs = 0;
    long now;
    do {
      plan.run(arguments, results);
      runs++;
      now = System.nanoTime();
    } while (now - begin < WINDOW_NANOS);
    return (now - begin) / runs;
  }

  @Override
  public void close() {
    for (Tensor tensor : arguments) {
      tensor.close();
    }
    for (Tensor tensor : results) {
      tensor.close();
    }
  }
}
