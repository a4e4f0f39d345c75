package io.quern.cpu.optim;

import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.Raw;

/** Loops of the optimiser steps, with the same bits in all implementations. Thread-safe. */
abstract class StepMath {
  private static final int TRIAL = 128;
  private static final SgdStep SGD = new SgdStep(0.9, true, 0.01);
  private static final AdamStep ADAM = new AdamStep(0.9, 0.99, 1e-8, 0.01, true);

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final Twins<StepMath> INSTANCE =
        MachineTier.has512Bits()
            ? Twins.only(new MachineStepMath())
            : Twins.ofKernel(
                "optimiser steps",
                ScalarStepMath::new,
                () -> new VectorStepMath(),
                math ->
                    Trial.run(8, TRIAL, operands -> math.adam(ADAM, operands, 0, TRIAL - 3))
                        + Trial.run(8, TRIAL, operands -> math.sgd(SGD, operands, 0, TRIAL - 3)));
  }

  StepMath() {}

  /** The implementations of this process. */
  static Twins<StepMath> chosen() {
    return Chosen.INSTANCE;
  }

  /** Elements {@code first} to {@code first + n - 1} of an SgdStep. */
  abstract void sgd(SgdStep op, Operands operands, long first, long n);

  /** Elements {@code first} to {@code first + n - 1} of an AdamStep. */
  abstract void adam(AdamStep op, Operands operands, long first, long n);

  // ---- factors of AdamStep, from its scalars [lr, c1, c2] --------------------------------------

  private static double scalar(Operands operands, int index) {
    return Raw.getFloat(operands.address(4) + 4L * index);
  }

  /** What the parameter is scaled by first. */
  static float keep(AdamStep op, Operands operands) {
    return (float) (op.decoupled() ? 1 - scalar(operands, 0) * op.weightDecay() : 1);
  }

  /** How much of the parameter is added to the gradient. */
  static float decay(AdamStep op) {
    return (float) (op.decoupled() ? 0 : op.weightDecay());
  }

  /** {@code lr / c1}. */
  static float rate(Operands operands) {
    return (float) (scalar(operands, 0) / scalar(operands, 1));
  }

  /** {@code 1 / c2}. */
  static float unbias(Operands operands) {
    return (float) (1 / scalar(operands, 2));
  }
}
