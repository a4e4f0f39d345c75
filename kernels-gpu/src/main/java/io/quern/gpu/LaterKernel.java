package io.quern.gpu;

import io.quern.backend.Kernel;
import io.quern.backend.Operands;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A kernel that is made when it is first run. Thread-safe. */
public final class LaterKernel implements Kernel {
  private final Supplier<Kernel> maker;
  private @Nullable Kernel kernel;

  /** A kernel that {@code maker} makes. */
  public LaterKernel(Supplier<Kernel> maker) {
    this.maker = maker;
  }

  private synchronized Kernel made() {
    if (kernel == null) {
      kernel = maker.get();
    }
    return kernel;
  }

  @Override
  public void run(Operands operands) {
    made().run(operands);
  }

  @Override
  public String name() {
    return made().name();
  }
}
