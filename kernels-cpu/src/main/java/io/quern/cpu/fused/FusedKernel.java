package io.quern.cpu.fused;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.elementwise.ElementwiseKernel;
import io.quern.op.Binary;
import io.quern.op.Fused;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Elementwise functions of F32, alone or in chains, over operands of any layout. */
public final class FusedKernel implements Kernel {
  private static final int CHUNK = 16384;

  private final Chain chain;
  private final String name;
  private final int inputs;
  private final long count;
  private final Workers.Task<Operands> task = this::part;

  private FusedKernel(KernelKey key, ScalarProgram program, String name) {
    this.name = name;
    this.inputs = key.inputs();
    this.count = key.output().shape().size();
    Chain.Use use = MachineTier.streams(4 * count) ? Chain.Use.STREAMED : Chain.Use.STORED;
    this.chain = new Chain(program, key, key.output().shape(), use);
  }

  /** The kernel for {@code key}, or null when it is not F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.op() instanceof Fused(ScalarProgram program)
        ? new FusedKernel(key, program, "fused_f32_" + program.steps().size())
        : null;
  }

  /** A kernel for a Unary of F32, or null. */
  public static @Nullable Kernel unary(KernelKey key) {
    return key.op() instanceof Unary(Unary.Fn fn)
        ? alone(key, new ScalarProgram.Apply1(fn, 0), ElementwiseKernel::unary)
        : null;
  }

  /** A kernel for a Binary of F32 or I64, or null. */
  public static @Nullable Kernel binary(KernelKey key) {
    return key.op() instanceof Binary(Binary.Fn fn)
        ? alone(key, new ScalarProgram.Apply2(fn, 0, 1), ElementwiseKernel::binary)
        : null;
  }

  /** A chain of one function where it is machine code, else a kernel with a loop of its own. */
  private static @Nullable Kernel alone(
      KernelKey key, ScalarProgram.Step step, Function<KernelKey, @Nullable Kernel> otherwise) {
    ScalarProgram program = new ScalarProgram(key.inputs(), List.of(step));
    return key.all(DType.F32) && FusedLoops.areMachineCode(program)
        ? new FusedKernel(key, program, key.op().name() + "_f32")
        : otherwise.apply(key);
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
    long first = (long) chunk * CHUNK;
    long n = Math.min(CHUNK, count - first);
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(chain.scratchBytes())) {
      chain.run(operands, first, n, operands.address(inputs) + 4 * first, scratch.address());
    }
  }

  @Override
  public String name() {
    return name;
  }
}
