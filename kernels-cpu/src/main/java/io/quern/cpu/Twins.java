package io.quern.cpu;

import io.quern.runtime.Log;
import io.quern.runtime.WarmUp;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;

/**
 * Two implementations with the same bits: one that is there at once, and a faster one whose code
 * the JVM must compile first, during which it is a thousand times slower. A background thread runs
 * the second one on small work until it is compiled, compares the bits and puts it in place.
 * Thread-safe.
 */
public final class Twins<T> {
  private static final boolean WARMS = WarmUp.isOn();

  /** How long {@link #await} waits for the faster one to get compiled. */
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  /** How long one kernel keeps the thread before the next has its turn. */
  private static final Duration TURN = Duration.ofMillis(300);

  /** Pauses between the turns of a kernel, each twice the one before. */
  private static final Duration PAUSE = Duration.ofMillis(50);

  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

  /** Leaves the first moments of a process, when everything is slow, to its own work. */
  private static final Duration DELAY = Duration.ofMillis(300);

  private static final int RUNS = 4;
  private static final int WINS = 3;
  private static final long START = System.nanoTime();
  private static final ScheduledThreadPoolExecutor BACKGROUND = background();

  private final CompletableFuture<Boolean> decided;
  private volatile T current;

  private Twins(T current, CompletableFuture<Boolean> decided) {
    this.current = current;
    this.decided = decided;
  }

  private static ScheduledThreadPoolExecutor background() {
    ScheduledThreadPoolExecutor executor =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().daemon().name("quern-warmup").factory());
    executor.setKeepAliveTime(1, TimeUnit.SECONDS);
    executor.allowCoreThreadTimeOut(true);
    return executor;
  }

  /** Whether the fast implementations are made ready in the background. */
  public static boolean warms() {
    return WARMS;
  }

  /** Always the same. */
  public static <T> Twins<T> only(T one) {
    return new Twins<>(one, CompletableFuture.completedFuture(true));
  }

  /**
   * The scalar implementation of a kernel now, the vector one when it is ready; one of them for
   * ever when there are no vectors or {@code quern.warmup} is off.
   *
   * @param vector not a reference to a constructor, which would link its class even where the JVM
   *     has no vectors
   * @param trial runs an implementation on small work and gives a hash of the results' bits
   */
  public static <T> Twins<T> ofKernel(
      String name,
      Supplier<? extends T> scalar,
      Supplier<? extends T> vector,
      ToLongFunction<T> trial) {
    if (!VectorTier.chosen().usesApi()) {
      return only(scalar.get());
    }
    return of(name, scalar, vector, trial);
  }

  /** {@code ready} now, and {@code compiled} when it is faster; at once without warm-up. */
  public static <T> Twins<T> of(
      String name,
      Supplier<? extends T> ready,
      Supplier<? extends T> compiled,
      ToLongFunction<T> trial) {
    return WARMS ? warming(name, ready, compiled, trial) : only(compiled.get());
  }

  static <T> Twins<T> warming(
      String name,
      Supplier<? extends T> ready,
      Supplier<? extends T> compiled,
      ToLongFunction<T> trial) {
    return warming(name, ready, compiled, trial, PATIENCE);
  }

  static <T> Twins<T> warming(
      String name,
      Supplier<? extends T> ready,
      Supplier<? extends T> compiled,
      ToLongFunction<T> trial,
      Duration patience) {
    Twins<T> twins = new Twins<>(ready.get(), new CompletableFuture<>());
    long delay = Math.max(0, START + DELAY.toNanos() - System.nanoTime());
    twins.schedule(
        name, () -> twins.decide(name, compiled, trial, patience), Duration.ofNanos(delay));
    return twins;
  }

  private void schedule(String name, Runnable work, Duration delay) {
    Runnable guarded =
        () -> {
          try {
            work.run();
          } catch (RuntimeException | Error e) {
            decided.complete(false);
            Log.get().log(Level.WARNING, name + ": cannot be made faster", e);
          }
        };
    var _ = BACKGROUND.schedule(guarded, delay.toNanos(), TimeUnit.NANOSECONDS);
  }

  /** The implementation to use now. */
  public T get() {
    return current;
  }

  /** Waits for the first decision; whether the faster implementation is in use. */
  public boolean await() {
    return decided.join();
  }

  private void decide(
      String name, Supplier<? extends T> compiled, ToLongFunction<T> trial, Duration patience) {
    T candidate = compiled.get();
    if (trial.applyAsLong(current) != trial.applyAsLong(candidate)) {
      Log.get().log(Level.WARNING, "{0}: other results once compiled; left aside", name);
      decided.complete(false);
    } else {
      takeTurn(name, candidate, trial, System.nanoTime() + patience.toNanos(), PAUSE);
    }
  }

  /** One kernel after the other, since the compiler may be busy with any of them. */
  private void takeTurn(
      String name, T candidate, ToLongFunction<T> trial, long deadline, Duration pause) {
    if (isFaster(candidate, current, trial)) {
      current = candidate;
      decided.complete(true);
      return;
    }
    if (System.nanoTime() > deadline && decided.complete(false)) {
      Log.get().log(Level.INFO, "{0}: is not faster yet; stays as it is for now", name);
    }
    Duration next = pause.multipliedBy(2);
    schedule(
        name,
        () ->
            takeTurn(
                name,
                candidate,
                trial,
                deadline,
                next.compareTo(LONGEST_PAUSE) < 0 ? next : LONGEST_PAUSE),
        pause);
  }

  private static <T> boolean isFaster(T candidate, T ready, ToLongFunction<T> trial) {
    long deadline = System.nanoTime() + TURN.toNanos();
    int wins = 0;
    do {
      wins = time(candidate, trial) < time(ready, trial) ? wins + 1 : 0;
    } while (wins < WINS && System.nanoTime() < deadline);
    return wins == WINS;
  }

  private static <T> long time(T one, ToLongFunction<T> trial) {
    long best = Long.MAX_VALUE;
    for (int i = 0; i < RUNS; i++) {
      long start = System.nanoTime();
      var _ = trial.applyAsLong(one);
      best = Math.min(best, System.nanoTime() - start);
    }
    return best;
  }
}
