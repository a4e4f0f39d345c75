package io.quern.cpu;

import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.KernelTable;
import io.quern.backend.WidenedKernel;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Workers;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The CPU: kernels from {@link CpuKernels}, memory from the process' pool. */
final class CpuContext implements HostContext {
  private final KernelTable table = CpuKernels.table();

  @Override
  public String describe() {
    VectorTier tier = VectorTier.chosen();
    return Workers.shared().threads()
        + " threads, "
        + (tier.usesApi() ? tier.bits() + "-bit vectors" : "scalar kernels")
        + " ("
        + tier.reason()
        + "), "
        + MachineTier.describe()
        + tier.remedy().map(remedy -> "; faster: " + remedy).orElse("");
  }

  @Override
  public List<String> advice() {
    return VectorTier.chosen().remedy().stream().toList();
  }

  @Override
  public Optional<Kernel> kernel(KernelKey key) {
    return table
        .find(key)
        .or(() -> SlicedKernel.find(key, table))
        .or(() -> WidenedKernel.find(key, table, HostMemory.shared()));
  }

  @Override
  public Map<String, List<String>> kernels() {
    return table.listing();
  }
}
