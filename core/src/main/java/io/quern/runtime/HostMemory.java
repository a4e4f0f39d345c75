package io.quern.runtime;

import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import org.jspecify.annotations.Nullable;

/** A pool of the process' native memory. */
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
