package io.quern.runtime;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The process-wide pool of daemon platform threads that kernels share with their callers.
 *
 * <p>A task is split into chunks by its shape alone, so results never depend on the number of
 * threads. Each thread begins with its own run of neighbouring chunks, the same for each task of
 * that size, so that what one task leaves in its cache the next finds there; whoever is done early
 * takes over chunks of others. The caller works too. When the pool is busy with another caller's
 * task, or the task consists of one chunk, the caller runs everything itself. Helpers spin briefly
 * for the next task, then park. Thread-safe; running a task allocates nothing.
 */
public final class Workers {
  private static final Knob THREADS =
      Knob.of("quern.threads", "0", "threads that compute, 0 for one per core of the container");

  /** How long a helper looks for work before it parks; about the time of one small kernel. */
  private static final long SPIN_NANOS = 20_000;

  /** The same while a caller has announced more tasks: waking up takes longer than most of them. */
  private static final long ANNOUNCED_NANOS = 2_000_000;

  /** Chunk number that stands for a task whose chunks cannot be claimed. */
  private static final int CLOSED = Integer.MAX_VALUE;

  /** Claims of two threads lie this many longs apart, in different lines of the cache. */
  private static final int APART = 16;

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

  /**
   * For each thread the ticket of the task in the upper half, and in the lower one the next
   * unclaimed chunk of those it begins with. The caller's, the first, is opened last.
   */
  private final AtomicLongArray claims;

  private final AtomicInteger done = new AtomicInteger();
  private final AtomicInteger announced = new AtomicInteger();
  private volatile @Nullable Throwable failure;

  /** Work in independent chunks. */
  @FunctionalInterface
  public interface Task<A> {
    /** Runs one chunk; called once for each, from any of the threads. */
    void run(A argument, int chunk);
  }

  private Workers(int threads) {
    claims = new AtomicLongArray(threads * APART);
    for (int i = 0; i < threads; i++) {
      claims.set(i * APART, CLOSED);
    }
    helpers = new Helper[threads - 1];
    for (int i = 0; i < helpers.length; i++) {
      helpers[i] = new Helper(i + 1);
      helpers[i].start();
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

  /** Runs many tasks one after another; helpers stay awake in between. */
  public void runAll(Runnable tasks) {
    announced.getAndIncrement();
    try {
      tasks.run();
    } finally {
      announced.getAndDecrement();
    }
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
    int ticket = ticket() + 1;
    for (int thread = 0; thread < threads(); thread++) {
      claims.set(thread * APART, (long) (ticket - 1) << 32 | CLOSED);
    }
    task = work;
    argument = with;
    chunks = count;
    failure = null;
    done.set(0);
    for (int thread = threads() - 1; thread >= 0; thread--) {
      claims.set(thread * APART, (long) ticket << 32 | firstChunk(thread, count));
    }
    int wanted = Math.min(helpers.length, count - 1);
    for (int i = 0; i < wanted; i++) {
      helpers[i].wake();
    }
    takePart(ticket, 0);
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
  private void takePart(int ticket, int thread) {
    int ran = 0;
    for (int i = 0; i < threads(); i++) {
      ran += runChunksOf((thread + i) % threads(), ticket);
    }
    if (ran > 0) {
      done.getAndAdd(ran);
    }
  }

  /** Claims and runs what is left of the chunks that a thread begins with; returns how many. */
  @SuppressWarnings("unchecked")
  private int runChunksOf(int thread, int ticket) {
    int ran = 0;
    while (true) {
      long claim = claims.get(thread * APART);
      Task<Object> work = (Task<Object>) task;
      Object with = argument;
      int chunk = (int) claim;
      if (ticketOf(claim) != ticket || work == null || chunk >= firstChunk(thread + 1, chunks)) {
        return ran;
      }
      // Success proves that the fields read belong to this ticket: they change in between two.
      if (claims.compareAndSet(thread * APART, claim, claim + 1)) {
        try {
          work.run(with, chunk);
        } catch (Throwable thrown) {
          failure = thrown;
        }
        ran++;
      }
    }
  }

  private int firstChunk(int thread, int count) {
    int sharers = Math.min(threads(), count);
    return (int) ((long) count * Math.min(thread, sharers) / sharers);
  }

  private int ticket() {
    return ticketOf(claims.get(0));
  }

  private static int ticketOf(long claims) {
    return (int) (claims >>> 32);
  }

  private void close() {
    closed = true;
    for (Helper helper : helpers) {
      LockSupport.unpark(helper);
    }
  }

  private static int defaultThreads() {
    int threads = THREADS.intValue(0, 4096);
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }

  /** Gives what helpers keep of a pool back to it. */
  void recall(MemoryPool pool) {
    for (Helper helper : helpers) {
      helper.near.drainTo(pool);
    }
  }

  /** Bytes of free blocks that helpers keep. */
  long keptBytes() {
    long bytes = 0;
    for (Helper helper : helpers) {
      bytes += helper.near.bytes();
    }
    return bytes;
  }

  /** One of the pool's threads. */
  final class Helper extends Thread {
    final NearBlocks near = new NearBlocks();
    private final int number;
    private volatile boolean parked;

    private Helper(int number) {
      super("quern-worker-" + number);
      this.number = number;
      setDaemon(true);
    }

    private void wake() {
      if (parked) {
        LockSupport.unpark(this);
      }
    }

    @Override
    public void run() {
      int seen = 0;
      while (!closed) {
        seen = await(seen);
        takePart(seen, number);
      }
      near.drainTo(HostMemory.shared());
    }

    private int await(int seen) {
      long start = System.nanoTime();
      while (ticket() == seen && !closed) {
        long waited = System.nanoTime() - start;
        if (waited < SPIN_NANOS || (waited < ANNOUNCED_NANOS && announced.get() > 0)) {
          Thread.onSpinWait();
          continue;
        }
        parked = true;
        if (ticket() == seen && !closed) {
          LockSupport.park(Workers.this);
        }
        parked = false;
      }
      return ticket();
    }
  }
}
