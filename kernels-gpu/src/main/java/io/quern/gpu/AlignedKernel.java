package io.quern.gpu;

import io.quern.backend.Kernel;
import io.quern.backend.Operands;

/** Two kernels of an op, one of which needs operands at multiples of 16 bytes. */
public record AlignedKernel(Kernel aligned, Kernel otherwise) implements Kernel {
  @Override
  public void run(Operands operands) {
    long addresses = 0;
    for (int i = 0; i < operands.count(); i++) {
      addresses |= operands.address(i);
    }
    (addresses % 16 == 0 ? aligned : otherwise).run(operands);
  }

  @Override
  public String name() {
    return aligned.name();
  }
}
