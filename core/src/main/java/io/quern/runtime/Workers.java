package io.quern.runtime;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The process-wide pool of daemon platform threads that kernels share with their callers.
 *
 * <p>A task is split into chunks by its shape alone, so results never depend on the number of
 * threads. The caller works too. When the pool is busy with another caller's task, or the task
 * consists of one chunk, the caller runs everything itself. Helpers spin briefly for the next task,
 * then park. Thread-safe; running a task allocates nothing.
 */
public final class Workers {
  private static final Knob THREADS =
      Knob.of("quern.threads", "0", "threads that compute, 0 for one per core of the container");

  /** How long a helper looks for work before it parks; about the time of one small kernel. */
  private static final long SPIN_NANOS = 20_000;

  /** Chunk number that stands for a task whose chunks cannot be claimed. */
  private static final int CLOSED = Integer.MAX_VALUE;

  /** How often a caller looks for the end of a task before it offers its core to others. */
  private static final int SPINS = 10_000;

  private static volatile Workers shared = new Workers(defaultThreads());

  private final Helper[] helpers;
  private final ReentrantLock lock = new ReentrantLock();
  private volatile boolean closed;

  // One task at a time. The fields change only under the lock and while claims are closed. They
  // are volatile so that a helper that sees a new value finds the claims closed or reopened.
  private volatile @Nullable Task<?> task;
  private volatile @Nullable Object argument;
  private volatile int chunks;

  /** Ticket of the task in the upper half, its next unclaimed chunk in the lower one. */
  private final AtomicLong claims = new AtomicLong(CLOSED);

  private final AtomicInteger done = new AtomicInteger();
  private volatile @Nullable Throwable failure;

  /** Work in independent chunks. */
  @FunctionalInterface
  public interface Task<A> {
    /** Runs one chunk; called once for each, from any of the threads. */
    void run(A argument, int chunk);
  }

  private Workers(int threads) {
    helpers = new Helper[threads - 1];
    for (int i = 0; i < helpers.length; i++) {
      helpers[i] = new Helper(i);
      helpers[i].thread.start();
    }
  }

  /** The pool. */
  public static Workers shared() {
    return shared;
  }

  /** Replaces the pool by one of {@code threads} threads, callers included. */
  public static synchronized void setThreads(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("workers: expected 1 thread or more, found " + threads);
    }
    Workers old = shared;
    if (old.threads() != threads) {
      shared = new Workers(threads);
      old.close();
    }
  }

  /** Threads that work on a task, the caller included. */
  public int threads() {
    return helpers.length + 1;
  }

  /** Runs all chunks and returns when they are done; throws what a chunk has thrown. */
  public <A> void run(Task<A> work, A with, int count) {
    if (count <= 1 || helpers.length == 0 || !lock.tryLock()) {
      for (int chunk = 0; chunk < count; chunk++) {
        work.run(with, chunk);
      }
      return;
    }
    try {
      if (lock.getHoldCount() > 1) { // a chunk of the running task splits its work again
        for (int chunk = 0; chunk < count; chunk++) {
          work.run(with, chunk);
        }
        return;
      }
      share(work, with, count);
    } finally {
      lock.unlock();
    }
  }

  @SuppressWarnings("ThreadPriorityCheck") // only how long it takes depends on the scheduler
  private <A> void share(Task<A> work, A with, int count) {
    // Late helpers of the previous task must not claim a chunk while the fields change.
    int ticket = ticketOf(claims.get()) + 1;
    claims.set((long) (ticket - 1) << 32 | CLOSED);
    task = work;
    argument = with;
    chunks = count;
    failure = null;
    done.set(0);
    claims.set((long) ticket << 32);
    int wanted = Math.min(helpers.length, count - 1);
    for (int i = 0; i < wanted; i++) {
      helpers[i].wake();
    }
    takePart(ticket);
    for (int spins = 0; done.get() < count; spins++) {
      if (spins < SPINS) {
        Thread.onSpinWait();
      } else {
        Thread.yield(); // a helper in the middle of a chunk may not have a core
      }
    }
    task = null;
    argument = null;
    rethrow(failure);
  }

  private static void rethrow(@Nullable Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    if (thrown instanceof RuntimeException exception) {
      throw exception;
    }
    if (thrown != null) {
      throw new IllegalStateException("workers: a task failed", thrown);
    }
  }

  /** Claims and runs chunks of the task with this ticket until none is left. */
  @SuppressWarnings("unchecked")
  private void takePart(int ticket) {
    while (true) {
      long claim = claims.get();
      if (ticketOf(claim) != ticket) {
        return;
      }
      Task<Object> work = (Task<Object>) task;
      Object with = argument;
      int chunk = (int) claim;
      if (work == null || chunk >= chunks) {
        return;
      }
      // Success proves that the fields read belong to this ticket: they change in between two.
      if (claims.compareAndSet(claim, claim + 1)) {
        try {
          work.run(with, chunk);
        } catch (Throwable thrown) {
          failure = thrown;
        } finally {
          done.getAndIncrement();
        }
      }
    }
  }

  private static int ticketOf(long claims) {
    return (int) (claims >>> 32);
  }

  private void close() {
    closed = true;
    for (Helper helper : helpers) {
      LockSupport.unpark(helper.thread);
    }
  }

  private static int defaultThreads() {
    int threads = THREADS.intValue(0, 4096);
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }

  private final class Helper implements Runnable {
    private final Thread thread;
    private volatile boolean parked;

    Helper(int index) {
      thread = Thread.ofPlatform().daemon().name("quern-worker-" + index).unstarted(this);
    }

    void wake() {
      if (parked) {
        LockSupport.unpark(thread);
      }
    }

    @Override
    public void run() {
      int seen = 0;
      while (!closed) {
        seen = await(seen);
        takePart(seen);
      }
    }

    private int await(int seen) {
      long deadline = System.nanoTime() + SPIN_NANOS;
      while (ticketOf(claims.get()) == seen && !closed) {
        if (System.nanoTime() < deadline) {
          Thread.onSpinWait();
          continue;
        }
        parked = true;
        if (ticketOf(claims.get()) == seen && !closed) {
          LockSupport.park(Workers.this);
        }
        parked = false;
      }
      return ticketOf(claims.get());
    }
  }
}
