package io.quern.grad;

import io.quern.Tensor;
import io.quern.op.Op;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** One recorded op: how its outputs were made from its inputs. */
public final class GradNode {
  private static final AtomicLong NEXT = new AtomicLong();

  private final long order = NEXT.getAndIncrement();
  private final Op op;
  private final List<Tensor> inputs;
  private final List<Tensor> outputs;
  private final boolean[] tracked;

  private GradNode(Op op, List<Tensor> inputs, List<Tensor> outputs, boolean[] tracked) {
    this.op = op;
    this.inputs = inputs;
    this.outputs = outputs;
    this.tracked = tracked;
  }

  /** Records an op if one of its inputs is tracked and an output can carry a gradient. */
  public static void record(Op op, Tensor[] inputs, Tensor[] outputs) {
    boolean[] tracked = new boolean[inputs.length];
    boolean any = false;
    for (int i = 0; i < inputs.length; i++) {
      tracked[i] = inputs[i].isTracked();
      any |= tracked[i];
    }
    if (!any) {
      return;
    }
    GradNode node = new GradNode(op, List.of(inputs), List.of(outputs), tracked);
    for (Tensor output : outputs) {
      if (output.dtype().isFloat()) {
        output.setGradNode(node);
      }
    }
  }

  public Op op() {
    return op;
  }

  public List<Tensor> inputs() {
    return inputs;
  }

  public List<Tensor> outputs() {
    return outputs;
  }

  /** Whether an input was tracked when the op ran, so that its gradient is wanted. */
  public boolean needs(int input) {
    return tracked[input];
  }

  /** Position in the order of execution; inputs come before outputs. */
  long order() {
    return order;
  }
}
