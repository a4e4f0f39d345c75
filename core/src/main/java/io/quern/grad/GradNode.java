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

  private GradNode(Op op, List<Tensor> inputs, List<Tensor> outputs) {
    this.op = op;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /** Records an op if one of its inputs is tracked and an output can carry a gradient. */
  public static void record(Op op, Tensor[] inputs, Tensor[] outputs) {
    boolean tracked = false;
    for (Tensor input : inputs) {
      tracked |= input.isTracked();
    }
    if (!tracked) {
      return;
    }
    GradNode node = new GradNode(op, List.of(inputs), List.of(outputs));
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

  /** Whether somebody wants the gradient of an input. */
  public boolean needs(int input) {
    return inputs.get(input).isTracked();
  }

  /** Position in the order of execution; inputs come before outputs. */
  long order() {
    return order;
  }
}
