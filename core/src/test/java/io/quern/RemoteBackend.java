package io.quern;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Cast;
import io.quern.op.MatMul;
import io.quern.reference.ReferenceKernels;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Two devices for tests whose memory says that it is not the process': data goes through uploads
 * and downloads, and but for Cast there are kernels for contiguous operands only, none for MatMul.
 */
public final class RemoteBackend implements Backend {
  /** For the service loader. */
  public RemoteBackend() {}

  @Override
  public String name() {
    return "remote";
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
    @Override
    public String describe() {
      return "a device of the tests";
    }

    @Override
    public Optional<Kernel> kernel(KernelKey key) {
      boolean covered =
          key.op() instanceof Cast || (key.isContiguous() && !(key.op() instanceof MatMul));
      return covered ? ReferenceKernels.find(key) : Optional.empty();
    }

    @Override
    public boolean isHostMemory() {
      return false;
    }

    @Override
    public Map<String, List<String>> kernels() {
      return Map.of();
    }
  }
}
