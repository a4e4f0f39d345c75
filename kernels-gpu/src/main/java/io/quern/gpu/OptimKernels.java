package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import org.jspecify.annotations.Nullable;

/** Optimiser steps over contiguous floats by {@code optim.cu}. */
final class OptimKernels {
  private static final String FILE = "optim";
  private static final int THREADS = 256;

  /** Elements of a thread. */
  private static final int RUN = 4;

  private OptimKernels() {}

  static @Nullable Kernel sgd(GpuContext context, KernelKey key) {
    SgdStep op = (SgdStep) key.op();
    Parameters parameters =
        operands(key)
            .number((float) op.momentum())
            .number((float) op.weightDecay())
            .number(op.nesterov() ? 1 : 0);
    return create(context, key, "sgd_f32", parameters);
  }

  static @Nullable Kernel adam(GpuContext context, KernelKey key) {
    AdamStep op = (AdamStep) key.op();
    Parameters parameters =
        operands(key)
            .struct(
                bits(op.beta1()),
                bits(1 - op.beta1()),
                bits(op.beta2()),
                bits(1 - op.beta2()),
                bits(op.epsilon()))
            .number(Double.doubleToRawLongBits(op.weightDecay()))
            .number(op.decoupled() ? 1 : 0);
    return create(context, key, "adam_f32", parameters);
  }

  private static long bits(double value) {
    return Float.floatToRawIntBits((float) value);
  }

  /** The outputs, then the inputs. */
  private static Parameters operands(KernelKey key) {
    Parameters parameters = new Parameters();
    for (int i = key.inputs(); i < key.operands(); i++) {
      parameters.operand(i);
    }
    for (int i = 0; i < key.inputs(); i++) {
      parameters.operand(i);
    }
    return parameters;
  }

  private static @Nullable Kernel create(
      GpuContext context, KernelKey key, String name, Parameters parameters) {
    if (!key.all(DType.F32) || !key.isContiguous()) {
      return null;
    }
    long count = key.shape(0).size();
    Grid grid = Grid.covering(Math.ceilDiv(count, RUN), THREADS);
    return new LaunchKernel(
        context, name, Launch.of(context, FILE, name, grid, parameters.number(count)));
  }
}
