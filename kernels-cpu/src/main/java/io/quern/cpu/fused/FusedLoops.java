package io.quern.cpu.fused;

import io.quern.cpu.VectorTier;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Knob;
import io.quern.runtime.Raw;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The loops of all chains of the process. A chain starts with its {@link TiledLoop}; a background
 * thread generates the loop of its own, runs it until it is compiled, compares its bits and puts it
 * in place once it is faster. Both give the same bits, so nobody sees when that happens.
 */
final class FusedLoops {
  private static final Knob CODEGEN =
      Knob.of("quern.codegen", "on", "off runs fused chains function by function, tile by tile");
  private static final System.Logger LOG = System.getLogger("io.quern");
  private static final Duration PATIENCE = Duration.ofSeconds(5);
  private static final int TRIAL = 2048;

  private static final Map<Key, Entry> ENTRIES = new ConcurrentHashMap<>();
  private static final ThreadPoolExecutor COMPILER = compiler();

  private FusedLoops() {}

  private record Key(ScalarProgram program, long uniform) {}

  private static ThreadPoolExecutor compiler() {
    ThreadPoolExecutor executor =
        new ThreadPoolExecutor(
            1,
            1,
            1,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            Thread.ofPlatform().daemon().name("quern-codegen").factory());
    executor.allowCoreThreadTimeOut(true);
    return executor;
  }

  /** A loop that is replaced by a faster one some time. */
  static final class Entry extends FusedLoop {
    private final CompletableFuture<Boolean> ready;
    private volatile FusedLoop current;

    private Entry(ScalarProgram program, boolean[] uniform) {
      TiledLoop tiled = new TiledLoop(program, uniform);
      current = tiled;
      ready =
          VectorTier.chosen().isVector() && CODEGEN.isOn()
              ? CompletableFuture.supplyAsync(() -> replace(program, uniform, tiled), COMPILER)
              : CompletableFuture.completedFuture(false);
    }

    @Override
    void run(long addresses, long n) {
      current.run(addresses, n);
    }

    /** Whether the generated loop is in use; waits until that is decided. */
    boolean await() {
      return ready.join();
    }

    private boolean replace(ScalarProgram program, boolean[] uniform, TiledLoop tiled) {
      try {
        FusedLoop generated = GeneratedLoop.of(program, uniform);
        long limit = TRIAL * (5L + 3L * program.steps().size());
        boolean faster = isRightAndFaster(generated, tiled, uniform, limit);
        if (faster) {
          current = generated;
        } else {
          LOG.log(Level.INFO, () -> "fused: stays in tiles, " + program);
        }
        return faster;
      } catch (RuntimeException | LinkageError e) {
        LOG.log(Level.WARNING, "fused: no generated loop, stays in tiles: " + program, e);
        return false;
      }
    }
  }

  /** The loop of a program; {@code uniform} tells the inputs that have one element only. */
  static Entry of(ScalarProgram program, boolean[] uniform) {
    long bits = 0;
    for (int i = 0; i < uniform.length; i++) {
      bits |= uniform[i] ? 1L << i : 0;
    }
    return ENTRIES.computeIfAbsent(
        new Key(program, bits), key -> new Entry(program, uniform.clone()));
  }

  private static boolean isRightAndFaster(
      FusedLoop generated, FusedLoop tiled, boolean[] uniform, long limit) {
    int operands = uniform.length + 1;
    HostMemory.Block memory = HostMemory.shared().allocate(4L * TRIAL * (operands + 1) + 512);
    try {
      long table = memory.address();
      long data = table + 512;
      fill(data, (long) TRIAL * operands);
      for (int i = 0; i < operands; i++) {
        Raw.putLong(table + 8L * i, data + 4L * TRIAL * i);
      }
      int[] expected = results(tiled, table, data + 4L * TRIAL * uniform.length);
      int[] found = results(generated, table, data + 4L * TRIAL * uniform.length);
      if (!Arrays.equals(expected, found)) {
        throw new IllegalStateException("fused: the generated loop computes something else");
      }
      return isFaster(generated, tiled, table, limit);
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  /** Numbers of both signs and many sizes, some of them special. */
  private static void fill(long to, long n) {
    java.util.SplittableRandom random = new java.util.SplittableRandom(1);
    for (long i = 0; i < n; i++) {
      int bits = random.nextInt(8) == 0 ? random.nextInt() : 0;
      float value = bits != 0 ? Float.intBitsToFloat(bits) : (float) random.nextDouble(-4, 4);
      Raw.putFloat(to + 4 * i, value);
    }
  }

  /** Bits of the results, all NaN alike: which NaN comes out is not defined. */
  private static int[] results(FusedLoop loop, long table, long output) {
    loop.run(table, TRIAL - 3);
    int[] bits = new int[TRIAL - 3];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToIntBits(Raw.getFloat(output + 4L * i));
    }
    return bits;
  }

  /** {@code limit}: nanoseconds of a trial that only compiled code keeps. */
  private static boolean isFaster(FusedLoop generated, FusedLoop tiled, long table, long limit) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    int wins = 0;
    while (wins < 3 && System.nanoTime() < deadline) {
      long own = time(generated, table);
      wins = own < limit && own < time(tiled, table) ? wins + 1 : 0;
    }
    return wins >= 3;
  }

  private static long time(FusedLoop loop, long table) {
    long best = Long.MAX_VALUE;
    for (int i = 0; i < 16; i++) {
      long start = System.nanoTime();
      loop.run(table, TRIAL);
      best = Math.min(best, System.nanoTime() - start);
    }
    return best;
  }
}
