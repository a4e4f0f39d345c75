package io.quern.cuda;

import io.quern.runtime.Knob;
import io.quern.runtime.MemoryPool;
import org.jspecify.annotations.Nullable;

/**
 * The memory of a GPU. A block may be used again at once when it is freed: work is queued in order,
 * so what reads it comes before what writes it next.
 */
final class DeviceMemory extends MemoryPool {
  private static final Knob LIMIT =
      Knob.of(
          "quern.cuda.memory.limit", "", "memory of a GPU for tensors, such as 8g (default: all)");

  private final Gpu gpu;

  DeviceMemory(Gpu gpu) {
    super(
        LIMIT.value().isEmpty() ? gpu.memory() : LIMIT.longValue(),
        "raise -D" + LIMIT.name() + " if it is set");
    this.gpu = gpu;
  }

  @Override
  protected @Nullable Mapping map(long bytes) {
    long address = gpu.allocate(bytes);
    return address == 0 ? null : new OnDevice(gpu, address);
  }

  private record OnDevice(Gpu gpu, long address) implements Mapping {
    @Override
    public void unmap() {
      gpu.free(address);
    }
  }
}
