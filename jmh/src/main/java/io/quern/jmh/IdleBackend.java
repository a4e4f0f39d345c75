package io.quern.jmh;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Unary;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A device whose kernels do nothing, so that what remains is the time around them. */
public final class IdleBackend implements Backend {
  /** For the service loader. */
  public IdleBackend() {}

  @Override
  public String name() {
    return "idle";
  }

  @Override
  public Probe probe() {
    return new Probe(1, "made for benchmarks");
  }

  @Override
  public DeviceContext open(int index) {
    return new Context();
  }

  /** Several classes, since calls of a single one would be compiled away. */
  private record Nothing(String name) implements Kernel {
    @Override
    public void run(Operands operands) {}
  }

  private record Naught(String name) implements Kernel {
    @Override
    public void run(Operands operands) {}
  }

  private record Zero(String name) implements Kernel {
    @Override
    public void run(Operands operands) {}
  }

  private static final class Context implements HostContext {
    @Override
    public String describe() {
      return "kernels that do nothing";
    }

    @Override
    public Optional<Kernel> kernel(KernelKey key) {
      String name = key.op().name();
      return Optional.of(
          switch (key.op()) {
            case Unary(Unary.Fn fn) when fn == Unary.Fn.ABS -> new Naught(name);
            case Unary(Unary.Fn fn) when fn == Unary.Fn.SQUARE -> new Zero(name);
            default -> new Nothing(name);
          });
    }

    @Override
    public Map<String, List<String>> kernels() {
      return Map.of();
    }
  }
}
