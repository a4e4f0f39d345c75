package io.quern.gpu;

import io.quern.runtime.Knob;
import io.quern.runtime.MemoryPool;
import org.jspecify.annotations.Nullable;

/**
 * The memory of a GPU. A block may be used again at once when it is freed: work is queued in order,
 * so what reads it comes before what writes it next.
 */
final class DeviceMemory extends MemoryPool {
  private final Gpu gpu;

  DeviceMemory(Gpu gpu) {
    super(
        limit(gpu.memoryLimit(), gpu.memory()),
        "raise -D" + gpu.memoryLimit().name() + " if it is set");
    this.gpu = gpu;
  }

  private static long limit(Knob knob, long all) {
    return knob.value().isEmpty() ? all : knob.longValue();
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
