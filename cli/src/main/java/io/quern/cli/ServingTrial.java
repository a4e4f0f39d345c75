package io.quern.cli;

import io.quern.serve.ModelHandle;
import io.quern.serve.ServeMetrics;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/** Asks a handle for predictions from many threads and compares them with known ones. */
final class ServingTrial {
  static final int THREADS = 32;

  private final ModelHandle handle;
  private final Predictions direct;
  private final float[][] examples;
  private final long[] labels;
  private final LongAdder right = new LongAdder();
  private final LongAdder sameClass = new LongAdder();
  private final LongAdder sameBits = new LongAdder();

  private ServingTrial(ModelHandle handle, Predictions direct, float[][] examples, long[] labels) {
    this.handle = handle;
    this.direct = direct;
    this.examples = examples;
    this.labels = labels;
  }

  /**
   * How it went.
   *
   * @param calls predictions that were asked for
   * @param right of them, the class is the label
   * @param sameClass of them, the class is that of the direct prediction
   * @param sameBits of them, the scores are those of the direct prediction to the last bit
   * @param metrics the handle's own figures
   */
  record Result(long calls, long right, long sameClass, long sameBits, ServeMetrics metrics) {
    double accuracy() {
      return (double) right / calls;
    }
  }

  /** Asks for {@code calls} predictions, going round the examples. */
  static Result run(
      ModelHandle handle, Predictions direct, float[][] examples, long[] labels, int calls) {
    ServingTrial trial = new ServingTrial(handle, direct, examples, labels);
    trial.run(calls);
    return new Result(
        calls, trial.right.sum(), trial.sameClass.sum(), trial.sameBits.sum(), handle.metrics());
  }

  private void run(int calls) {
    AtomicInteger next = new AtomicInteger();
    try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      List<Future<?>> callers = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        callers.add(
            threads.submit(
                () -> {
                  for (int call = next.getAndIncrement();
                      call < calls;
                      call = next.getAndIncrement()) {
                    predict(call % examples.length);
                  }
                }));
      }
      for (Future<?> caller : callers) {
        caller.get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UserException("interrupted while serving", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException("a prediction failed: " + e.getCause(), e.getCause());
    }
  }

  private void predict(int index) {
    float[] scores = handle.predict(examples[index]);
    int predicted = Predictions.largest(scores);
    right.add(predicted == labels[index] ? 1 : 0);
    sameClass.add(predicted == direct.predicted(index) ? 1 : 0);
    sameBits.add(Arrays.equals(scores, direct.scores(index)) ? 1 : 0);
  }
}
