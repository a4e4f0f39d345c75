package io.quern.cpu.optim;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Optimiser steps over contiguous floats, in one pass over memory; outputs may be the inputs. */
public final class StepKernel implements Kernel {
  private static final Twins<StepMath> MATH = StepMath.chosen();
  private static final int CHUNK = 16384;

  private final long count;
  private final Step step;
  private final String name;
  private final Workers.Task<Operands> task = this::step;

  /** One chunk of a step. */
  @FunctionalInterface
  private interface Step {
    void run(Operands operands, long first, long n);
  }

  private StepKernel(KernelKey key, String name, Step step) {
    this.count = key.shape(0).size();
    this.name = name;
    this.step = step;
  }

  /** The kernel of an SgdStep, or null when it is not contiguous F32. */
  public static @Nullable Kernel sgd(KernelKey key) {
    return fits(key) && key.op() instanceof SgdStep op
        ? new StepKernel(
            key, "sgd_f32", (operands, first, n) -> MATH.get().sgd(op, operands, first, n))
        : null;
  }

  /** The kernel of an AdamStep, or null when it is not contiguous F32. */
  public static @Nullable Kernel adam(KernelKey key) {
    return fits(key) && key.op() instanceof AdamStep op
        ? new StepKernel(
            key, "adam_f32", (operands, first, n) -> MATH.get().adam(op, operands, first, n))
        : null;
  }

  private static boolean fits(KernelKey key) {
    return key.all(DType.F32) && key.isContiguous();
  }

  @Override
  public void run(Operands operands) {
    int chunks = Math.toIntExact((count + CHUNK - 1) / CHUNK);
    Workers.shared().run(task, operands, chunks);
  }

  private void step(Operands operands, int chunk) {
    long first = (long) chunk * CHUNK;
    step.run(operands, first, Math.min(CHUNK, count - first));
  }

  @Override
  public boolean warmUp() {
    return MATH.await();
  }

  @Override
  public String name() {
    return name;
  }
}
