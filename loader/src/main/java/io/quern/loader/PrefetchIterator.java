package io.quern.loader;

import io.quern.Batch;
import java.lang.ref.Cleaner;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import org.agrona.concurrent.AgentRunner;
import org.jspecify.annotations.Nullable;

/** The consumer's end of a {@link Prefetcher}, which does not refer to it and ends with it. */
final class PrefetchIterator implements BatchIterator {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Handover handover;
  private final AgentRunner runner;
  private final Cleaner.Cleanable end;
  private @Nullable Batch next;

  private PrefetchIterator(Handover handover, AgentRunner runner) {
    this.handover = handover;
    this.runner = runner;
    this.end = CLEANER.register(this, handover::close);
  }

  static BatchIterator start(BatchIterator source, int depth) {
    Handover handover = new Handover(depth);
    Prefetcher prefetcher = new Prefetcher(source, handover);
    AgentRunner runner =
        new AgentRunner(prefetcher.idleStrategy(), handover::finish, null, prefetcher);
    AgentRunner.startOnThread(runner, Thread.ofPlatform().daemon().factory());
    return new PrefetchIterator(handover, runner);
  }

  @Override
  public boolean hasNext() {
    if (next == null) {
      next = await();
    }
    return next != null || handover.failure() != null;
  }

  @Override
  public Batch next() {
    if (!hasNext()) {
      throw new NoSuchElementException("prefetch: no more batches in this epoch");
    }
    Batch batch = next;
    if (batch == null) {
      throw failed();
    }
    next = null;
    return batch;
  }

  private RuntimeException failed() {
    Throwable failure = handover.failure();
    close();
    return switch (failure) {
      case Error error -> throw error;
      case RuntimeException exception -> exception;
      case null, default -> new IllegalStateException("prefetch: making a batch failed", failure);
    };
  }

  private @Nullable Batch await() {
    try {
      return handover.take();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      close();
      CancellationException cancelled =
          new CancellationException("prefetch: interrupted while waiting for a batch");
      cancelled.initCause(e);
      throw cancelled;
    }
  }

  @Override
  public void close() {
    end.clean();
    if (next != null) {
      next.close();
      next = null;
    }
    runner.close(0, thread -> {});
  }
}
