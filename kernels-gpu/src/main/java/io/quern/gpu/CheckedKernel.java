package io.quern.gpu;

import io.quern.backend.Kernel;
import io.quern.backend.Operands;
import java.util.List;

/**
 * Launches that read indices and tell of a {@link Fault}, so that an index that is out of range is
 * told to the caller who gave it.
 */
record CheckedKernel(GpuContext context, String name, long scratchBytes, List<Launch> launches)
    implements Kernel {
  @Override
  public void run(Operands operands) {
    context.queueChecked(launches, operands, scratchBytes);
  }
}
