package io.quern.serve;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.function.Function;

/** One example that waits for its result. It is ended once, by the batcher or by its caller. */
abstract class Request {
  private final MemorySegment example;
  private final long arrived = System.nanoTime();

  private Request(MemorySegment example) {
    this.example = example;
  }

  /** The example's elements in row-major order. */
  final MemorySegment example() {
    return example;
  }

  /** When the request came, by {@link System#nanoTime}. */
  final long arrived() {
    return arrived;
  }

  /** Whether the caller no longer wants the result. */
  abstract boolean isAbandoned();

  abstract void complete(Row row);

  abstract void fail(RuntimeException failure);

  /** A request whose caller waits. */
  static final class Blocking extends Request {
    private final CompletableFuture<Row> outcome = new CompletableFuture<>();

    Blocking(MemorySegment example) {
      super(example);
    }

    @Override
    boolean isAbandoned() {
      return outcome.isDone();
    }

    @Override
    void complete(Row row) {
      outcome.complete(row);
    }

    @Override
    void fail(RuntimeException failure) {
      outcome.completeExceptionally(failure);
    }

    /** Waits for the result. */
    Row await() {
      try {
        return outcome.get();
      } catch (InterruptedException e) {
        outcome.cancel(false);
        Thread.currentThread().interrupt();
        CancellationException cancelled =
            new CancellationException("predict: interrupted while waiting for the result");
        cancelled.initCause(e);
        throw cancelled;
      } catch (ExecutionException e) {
        throw raised(e.getCause());
      }
    }

    /** What the batcher's thread has recorded, with the caller's own stack trace on top. */
    private static RuntimeException raised(Throwable recorded) {
      return switch (recorded) {
        case ModelFailedException e -> new ModelFailedException(e.getMessage(), e.getCause());
        case RuntimeException e -> e;
        default -> new IllegalStateException(recorded);
      };
    }
  }

  /**
   * A request whose caller holds a future. The future is ended by {@code executor}, so that what
   * hangs on it never holds up the model.
   */
  static final class Asynchronous<T> extends Request {
    private final CompletableFuture<T> future;
    private final Function<Row, T> convert;
    private final Executor executor;

    Asynchronous(
        MemorySegment example,
        CompletableFuture<T> future,
        Function<Row, T> convert,
        Executor executor) {
      super(example);
      this.future = future;
      this.convert = convert;
      this.executor = executor;
    }

    @Override
    boolean isAbandoned() {
      return future.isDone();
    }

    @Override
    void complete(Row row) {
      execute(
          () -> {
            try {
              future.complete(convert.apply(row));
            } catch (Throwable e) {
              future.completeExceptionally(e);
            }
          });
    }

    @Override
    void fail(RuntimeException failure) {
      execute(() -> future.completeExceptionally(failure));
    }

    private void execute(Runnable end) {
      try {
        executor.execute(end);
      } catch (RuntimeException | Error e) { // rejected, or the executor is broken
        end.run();
      }
    }
  }
}
