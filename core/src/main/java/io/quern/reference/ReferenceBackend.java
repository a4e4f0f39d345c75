package io.quern.reference;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The slow, obviously correct backend: the oracle of the tests and the last resort of others. */
public final class ReferenceBackend implements Backend {
  @Override
  public String name() {
    return "reference";
  }

  @Override
  public Probe probe() {
    return new Probe(1, "always available");
  }

  @Override
  public DeviceContext open(int index) {
    return new Context();
  }

  private static final class Context implements HostContext {
    @Override
    public String describe() {
      return "scalar loops with double accumulators, for checking others";
    }

    @Override
    public Optional<Kernel> kernel(KernelKey key) {
      return ReferenceKernels.find(key);
    }

    @Override
    public Map<String, List<String>> kernels() {
      return Map.of("every primitive op", List.of("reference"));
    }
  }
}
