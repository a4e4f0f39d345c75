package io.quern.serve;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/** Takes requests from the queue in batches and answers each of them once. */
final class Batcher implements Agent {
  private final String name;
  private final int maxBatch;
  private final RequestQueue queue;
  private final Doorbell doorbell;
  private final BatchPolicy policy;
  private final BatchRunner runner;
  private final Meter meter;
  private final CountDownLatch drained = new CountDownLatch(1);

  // The batch that is waited for: since when, and how many requests there were at that time.
  private boolean waiting;
  private long waitingSince;
  private int waitingAtFirst;

  Batcher(
      String name,
      int maxBatch,
      RequestQueue queue,
      Doorbell doorbell,
      BatchPolicy policy,
      BatchRunner runner,
      Meter meter) {
    this.name = name;
    this.maxBatch = maxBatch;
    this.queue = queue;
    this.doorbell = doorbell;
    this.policy = policy;
    this.runner = runner;
    this.meter = meter;
  }

  @Override
  public String roleName() {
    return name;
  }

  /**
   * Waits, whoever interrupts, until all requests of the closed queue are answered.
   *
   * @return whether the calling thread was interrupted, which is no longer set
   */
  boolean awaitDrained() {
    boolean interrupted = false;
    while (true) {
      try {
        drained.await();
        return interrupted;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
  }

  /** Always says that there was work: an idle agent ends when somebody interrupts its thread. */
  @Override
  public int doWork() {
    if (work()) {
      doorbell.reset();
    } else {
      doorbell.idle();
    }
    return 1;
  }

  /** Answers a batch; false when there is nothing to do yet. */
  private boolean work() {
    int present = queue.waiting();
    if (present == 0) {
      if (queue.isDrained()) {
        drained.countDown();
      }
      doorbell.sleepUntil(1);
      return false;
    }
    if (shouldWait(present)) {
      return false;
    }
    List<Request> batch = take();
    if (!batch.isEmpty()) {
      long start = System.nanoTime();
      List<Row> rows = rows(batch);
      // Before the answers, after which the same callers may come again.
      policy.ran(batch.size(), System.nanoTime() - start, queue.waiting());
      answer(batch, rows);
    }
    return !batch.isEmpty();
  }

  private boolean shouldWait(int present) {
    int target = policy.target();
    if (present < target && !queue.isClosed()) {
      long now = System.nanoTime();
      if (!waiting) {
        waiting = true;
        waitingSince = now;
        waitingAtFirst = present;
      }
      long deadline = waitingSince + policy.patience();
      if (deadline - now > 0) {
        doorbell.sleepUntil(target, deadline);
        return true;
      }
    }
    if (waiting) {
      waiting = false;
      policy.waited(waitingAtFirst, present);
    }
    return false;
  }

  /** Up to a batch of requests; abandoned ones are left out. */
  private List<Request> take() {
    List<Request> batch = new ArrayList<>();
    while (batch.size() < maxBatch) {
      Request request = queue.poll();
      if (request == null) {
        break;
      }
      if (request.isAbandoned()) {
        meter.cancelled();
      } else {
        batch.add(request);
      }
    }
    return batch;
  }

  /** Answers a batch; when it failed, its requests are run one by one. */
  private void answer(List<Request> batch, @Nullable List<Row> rows) {
    if (rows != null) {
      meter.batch(batch.size());
      for (int i = 0; i < rows.size(); i++) {
        meter.answered(batch.get(i).arrived());
        batch.get(i).complete(rows.get(i));
      }
    } else if (batch.size() > 1) {
      for (Request request : batch) {
        List<Request> alone = List.of(request);
        answer(alone, rows(alone));
      }
    }
  }

  /** The result of each request, or null when the model failed; a lone request is told so. */
  private @Nullable List<Row> rows(List<Request> batch) {
    List<MemorySegment> examples = new ArrayList<>(batch.size());
    for (Request request : batch) {
      examples.add(request.example());
    }
    try {
      return runner.run(examples);
    } catch (Throwable failure) {
      if (batch.size() == 1) {
        meter.batch(1);
        meter.failed(batch.getFirst().arrived());
        batch
            .getFirst()
            .fail(new ModelFailedException(name + ": the model failed: " + failure, failure));
      }
      return null;
    }
  }

  /** Nobody may wait for ever, even if this thread were to end early. */
  @Override
  public void onClose() {
    queue.close();
    while (!queue.isDrained()) {
      Request request = queue.poll();
      if (request != null) {
        request.fail(new IllegalStateException(name + ": the model handle has stopped"));
      }
    }
    drained.countDown();
  }
}
