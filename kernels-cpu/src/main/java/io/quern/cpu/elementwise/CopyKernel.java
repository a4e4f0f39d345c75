package io.quern.cpu.elementwise;

import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.runtime.Workers;

/** Copies a tensor of any layout and dtype to row-major order. */
final class CopyKernel implements Kernel {
  private static final int CHUNK = 32768;

  private final Gatherer gatherer;
  private final long count;
  private final int bytes;
  private final Workers.Task<Operands> task = this::copy;

  CopyKernel(KernelKey key) {
    this.bytes = key.dtype(0).bytes();
    this.count = key.output().shape().size();
    this.gatherer = new Gatherer(key.layout(0), key.output().shape(), bytes);
  }

  @Override
  public void run(Operands operands) {
    int chunks = Math.toIntExact((count + CHUNK - 1) / CHUNK);
    Workers.shared().run(task, operands, chunks);
  }

  private void copy(Operands operands, int chunk) {
    long first = (long) chunk * CHUNK;
    gatherer.copy(
        operands.address(0),
        first,
        Math.min(CHUNK, count - first),
        operands.address(1) + bytes * first);
  }

  @Override
  public String name() {
    return "copy";
  }
}
