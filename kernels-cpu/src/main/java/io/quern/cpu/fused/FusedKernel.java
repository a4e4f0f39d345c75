package io.quern.cpu.fused;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Fused;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** A chain of elementwise functions of F32 over operands of any layout. */
public final class FusedKernel implements Kernel {
  private static final int CHUNK = 16384;

  private final Chain chain;
  private final String name;
  private final int inputs;
  private final long count;
  private final Workers.Task<Operands> task = this::part;

  private FusedKernel(KernelKey key, ScalarProgram program) {
    this.chain = new Chain(program, key, key.output().shape());
    this.name = "fused_f32_" + program.steps().size();
    this.inputs = key.inputs();
    this.count = key.output().shape().size();
  }

  /** The kernel for {@code key}, or null when it is not F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.op() instanceof Fused(ScalarProgram program)
        ? new FusedKernel(key, program)
        : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, Math.toIntExact((count + CHUNK - 1) / CHUNK));
  }

  @Override
  public boolean warmUp() {
    return chain.warmUp();
  }

  private void part(Operands operands, int chunk) {
    MemoryPool.Block scratch = HostMemory.shared().allocate(chain.scratchBytes());
    long first = (long) chunk * CHUNK;
    long n = Math.min(CHUNK, count - first);
    chain.run(operands, first, n, operands.address(inputs) + 4 * first, scratch.address());
    HostMemory.shared().free(scratch);
  }

  @Override
  public String name() {
    return name;
  }
}
