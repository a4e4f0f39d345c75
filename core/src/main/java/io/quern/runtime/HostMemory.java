package io.quern.runtime;

import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import org.jspecify.annotations.Nullable;

/**
 * A pool of the process' native memory. Helpers of {@link Workers} keep what they free of the
 * shared one for themselves, some megabytes each.
 */
public final class HostMemory extends MemoryPool {
  private static final Knob LIMIT =
      Knob.of(
          "quern.memory.limit",
          "",
          "native memory for tensors, such as 2g (default: the JVM's direct memory limit)");

  private static final HostMemory SHARED =
      new HostMemory(LIMIT.value().isEmpty() ? directMemoryLimit() : LIMIT.longValue());

  /** A pool of its own, for tests. */
  HostMemory(long limit) {
    super(limit, "raise -Dquern.memory.limit and -XX:MaxDirectMemorySize");
  }

  /** The pool that all tensors of the process share. */
  public static HostMemory shared() {
    return SHARED;
  }

  @Override
  public Block allocate(long bytes) {
    NearBlocks near = near();
    Block block = near == null ? null : near.take(sizeClass(bytes));
    return block == null ? super.allocate(bytes) : block;
  }

  @Override
  @SuppressWarnings("UnsynchronizedOverridesSynchronized") // a helper's blocks have their own lock
  public void free(Block block) {
    NearBlocks near = near();
    if (near == null || !near.keep(block)) {
      super.free(block);
    }
  }

  private @Nullable NearBlocks near() {
    return this == SHARED && Thread.currentThread() instanceof Workers.Helper helper
        ? helper.near
        : null;
  }

  @Override
  protected void recall() {
    if (this == SHARED) {
      Workers.shared().recall(this);
    }
  }

  /** What helpers keep counts as unused. */
  @Override
  public synchronized Usage usage() {
    Usage usage = super.usage();
    long kept = this == SHARED ? Workers.shared().keptBytes() : 0;
    return new Usage(usage.live() - kept, usage.peakLive(), usage.mapped(), usage.limit());
  }

  private record Native(Arena arena, long address) implements Mapping {
    @Override
    public void unmap() {
      arena.close();
    }
  }

  @Override
  @SuppressWarnings("MustBeClosedChecker") // the mapping owns the arena
  protected @Nullable Mapping map(long bytes) {
    Arena arena = Arena.ofShared();
    try {
      return new Native(arena, arena.allocate(bytes, ALIGNMENT).address());
    } catch (OutOfMemoryError e) {
      arena.close();
      return null;
    }
  }

  private static long directMemoryLimit() {
    for (String argument : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      if (argument.startsWith("-XX:MaxDirectMemorySize=")) {
        int equals = argument.indexOf('=');
        return Knob.parse(argument.substring(0, equals), argument.substring(equals + 1));
      }
    }
    return Runtime.getRuntime().maxMemory();
  }
}
