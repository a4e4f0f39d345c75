package io.quern.graph;

import io.quern.op.Op;
import io.quern.op.TensorSpec;
import java.util.List;

/** One op of a graph; equal to itself only. Immutable. */
public final class Node {
  private final Op op;
  private final List<Value> inputs;
  private final List<TensorSpec> outputs;

  Node(Op op, List<Value> inputs, List<TensorSpec> outputs) {
    this.op = op;
    this.inputs = List.copyOf(inputs);
    this.outputs = List.copyOf(outputs);
  }

  public Op op() {
    return op;
  }

  public List<Value> inputs() {
    return inputs;
  }

  /** Element types and shapes of the results. */
  public List<TensorSpec> outputs() {
    return outputs;
  }

  /** One of the results. */
  public Value.Result result(int index) {
    return new Value.Result(this, index);
  }
}
