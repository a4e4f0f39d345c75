package io.quern.plan;

import io.quern.op.AdamStep;
import io.quern.op.Binary;
import io.quern.op.Fused;
import io.quern.op.Op;
import io.quern.op.SgdStep;
import io.quern.op.Unary;

/** Which outputs of an op may be the memory of which inputs. */
final class InPlace {
  private static final int[] SGD = {0, 2};
  private static final int[] ADAM = {0, 2, 3};

  private InPlace() {}

  /** Whether a kernel for the op may write {@code output} over {@code input}. */
  static boolean allows(Op op, int output, int input) {
    return switch (op) {
      case SgdStep _ -> SGD[output] == input;
      case AdamStep _ -> ADAM[output] == input;
      case Unary _, Binary _, Fused _ -> true;
      default -> false;
    };
  }

  /**
   * Whether this step may write an output over an input: the op allows it, both lie alike, and no
   * other operand shows the same memory.
   */
  static boolean fits(Step step, int output, int input) {
    Place to = step.outputs().get(output);
    Place from = step.inputs().get(input);
    boolean alike =
        from.layout().isContiguous()
            && from.layout().offset() == 0
            && from.spec().equals(to.spec());
    boolean alone = true;
    for (int i = 0; i < step.inputs().size(); i++) {
      alone &= i == input || !step.inputs().get(i).memory().equals(from.memory());
    }
    return alike && alone && allows(step.op(), output, input);
  }
}
