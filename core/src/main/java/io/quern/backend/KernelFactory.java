package io.quern.backend;

import org.jspecify.annotations.Nullable;

/** Makes kernels of one algorithm. */
@FunctionalInterface
public interface KernelFactory {
  /** The kernel for {@code key}, or null when the algorithm does not cover it. */
  @Nullable Kernel create(KernelKey key);
}
