package io.quern.gpu;

import io.quern.backend.Kernel;
import io.quern.backend.Operands;
import java.util.List;

/** Launches, one after another, that may share memory of their own. */
public final class LaunchKernel implements Kernel {
  private final GpuContext context;
  private final String name;
  private final long scratchBytes;
  private final List<Launch> launches;

  /**
   * A kernel.
   *
   * @param scratchBytes memory that the launches see as one operand more, beyond the outputs
   */
  public LaunchKernel(GpuContext context, String name, long scratchBytes, Launch... launches) {
    this(context, name, scratchBytes, List.of(launches));
  }

  /** A kernel, as with launches one by one. */
  LaunchKernel(GpuContext context, String name, long scratchBytes, List<Launch> launches) {
    this.context = context;
    this.name = name;
    this.scratchBytes = scratchBytes;
    this.launches = List.copyOf(launches);
  }

  /** A kernel of one launch. */
  public LaunchKernel(GpuContext context, String name, Launch launch) {
    this(context, name, 0, launch);
  }

  @Override
  public void run(Operands operands) {
    context.queue(launches, operands, scratchBytes);
  }

  @Override
  public String name() {
    return name;
  }
}
