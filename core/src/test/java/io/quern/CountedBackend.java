package io.quern;

import io.quern.backend.Backend;
import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostBuffer;
import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Devices for tests with the kernels of the CPU that count the bytes of their buffers, so that what
 * other tests have forgotten on the CPU, and threads need there for a while, does not count. Tests
 * that leave something to the garbage collector have a device of their own.
 */
public final class CountedBackend implements Backend {
  /** For the service loader. */
  public CountedBackend() {}

  /** Bytes of a device's buffers that were not released yet. */
  public static long liveBytes(Device device) {
    return ((Context) device.context()).live.get();
  }

  @Override
  public String name() {
    return "counted";
  }

  @Override
  public Probe probe() {
    return new Probe(2, "made for tests");
  }

  @Override
  public DeviceContext open(int index) {
    return new Context();
  }

  private static final class Context implements HostContext {
    private final AtomicLong live = new AtomicLong();

    @Override
    public String describe() {
      return "a device of the tests";
    }

    @Override
    public Buffer allocate(long bytes) {
      return new CountedBuffer(HostBuffer.allocate(bytes), live);
    }

    @Override
    public Optional<Kernel> kernel(KernelKey key) {
      return Device.cpu().context().kernel(key);
    }

    @Override
    public Map<String, List<String>> kernels() {
      return Map.of();
    }
  }

  private static final class CountedBuffer extends Buffer {
    private final Buffer memory;
    private final AtomicLong live;

    CountedBuffer(Buffer memory, AtomicLong live) {
      this.memory = memory;
      this.live = live;
      live.addAndGet(memory.byteSize());
    }

    @Override
    public long byteSize() {
      return memory.byteSize();
    }

    @Override
    public long address() {
      return memory.address();
    }

    @Override
    public void release() {
      live.addAndGet(-memory.byteSize());
      memory.release();
    }
  }
}
