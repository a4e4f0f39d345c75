package io.quern.cpu.optim;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Optimiser steps over contiguous floats, in one pass over memory; outputs may be the inputs. */
public final class StepKernel implements Kernel {
  private static final StepMath MATH = StepMath.chosen();
  private static final int CHUNK = 16384;

  private final long count;
  private final Step step;
  private final String name;

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
        ? new StepKernel(key, "sgd_f32", (operands, first, n) -> sgd(op, operands, first, n))
        : null;
  }

  /** The kernel of an AdamStep, or null when it is not contiguous F32. */
  public static @Nullable Kernel adam(KernelKey key) {
    return fits(key) && key.op() instanceof AdamStep op
        ? new StepKernel(key, "adam_f32", (operands, first, n) -> adam(op, operands, first, n))
        : null;
  }

  private static boolean fits(KernelKey key) {
    return key.all(DType.F32) && key.isContiguous();
  }

  private static void sgd(SgdStep op, Operands operands, long first, long n) {
    StepMath.Sgd addresses =
        new StepMath.Sgd(
            operands.address(0),
            operands.address(1),
            operands.address(2),
            operands.address(4),
            operands.address(5));
    StepMath.SgdFactors factors =
        new StepMath.SgdFactors(
            Raw.getFloat(operands.address(3)),
            (float) op.momentum(),
            op.nesterov(),
            (float) op.weightDecay());
    MATH.sgd(addresses.at(4 * first), factors, n);
  }

  private static void adam(AdamStep op, Operands operands, long first, long n) {
    StepMath.Adam addresses =
        new StepMath.Adam(
            operands.address(0),
            operands.address(1),
            operands.address(2),
            operands.address(3),
            operands.address(5),
            operands.address(6),
            operands.address(7));
    double lr = Raw.getFloat(operands.address(4));
    double c1 = Raw.getFloat(operands.address(4) + 4);
    double c2 = Raw.getFloat(operands.address(4) + 8);
    StepMath.AdamFactors factors =
        new StepMath.AdamFactors(
            (float) op.beta1(),
            (float) (1 - op.beta1()),
            (float) op.beta2(),
            (float) (1 - op.beta2()),
            (float) op.epsilon(),
            (float) (op.decoupled() ? 1 - lr * op.weightDecay() : 1),
            (float) (op.decoupled() ? 0 : op.weightDecay()),
            (float) (lr / c1),
            (float) (1 / c2));
    MATH.adam(addresses.at(4 * first), factors, n);
  }

  @Override
  public void run(Operands operands) {
    int chunks = Math.toIntExact((count + CHUNK - 1) / CHUNK);
    Workers.shared().run(StepKernel::task, new Call(this, operands), chunks);
  }

  private record Call(StepKernel kernel, Operands operands) {}

  private static void task(Call call, int chunk) {
    long first = (long) chunk * CHUNK;
    call.kernel.step.run(call.operands, first, Math.min(CHUNK, call.kernel.count - first));
  }

  @Override
  public String name() {
    return name;
  }
}
