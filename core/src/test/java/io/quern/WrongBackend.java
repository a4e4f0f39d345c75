package io.quern;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Unary;
import io.quern.reference.ReferenceKernels;
import io.quern.runtime.Raw;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A device for tests whose square root of F32 is wrong by a sixteenth at its last element. */
public final class WrongBackend implements Backend {
  /** For the service loader. */
  public WrongBackend() {}

  @Override
  public String name() {
    return "wrong";
  }

  @Override
  public Probe probe() {
    return new Probe(1, "made for tests");
  }

  @Override
  public DeviceContext open(int index) {
    return new Context();
  }

  private record WrongKernel(Kernel right, long elements) implements Kernel {
    @Override
    public void run(Operands operands) {
      right.run(operands);
      long last = operands.address(1) + 4 * (elements - 1);
      Raw.putFloat(last, 1.0625f * Raw.getFloat(last));
    }

    @Override
    public String name() {
      return "wrong_sqrt";
    }
  }

  private static final class Context implements HostContext {
    @Override
    public String describe() {
      return "a device of the tests";
    }

    @Override
    public Optional<Kernel> kernel(KernelKey key) {
      Optional<Kernel> right = ReferenceKernels.find(key);
      boolean wrong = key.op() instanceof Unary(Unary.Fn fn) && fn == Unary.Fn.SQRT;
      return wrong
          ? right.map(kernel -> new WrongKernel(kernel, key.output().shape().size()))
          : right;
    }

    @Override
    public Map<String, List<String>> kernels() {
      return Map.of();
    }
  }
}
