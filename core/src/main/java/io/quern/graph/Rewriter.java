package io.quern.graph;

import io.quern.Device;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Builds a new graph from an old one: nodes are kept, replaced or left out, in order. */
public final class Rewriter implements OpBuilder<Value> {
  private final Graph old;
  private final List<Node> nodes = new ArrayList<>();
  private final Map<Value, Value> replacements = new HashMap<>();

  /** A rewriter that has kept nothing yet. */
  public Rewriter(Graph old) {
    this.old = old;
  }

  /** Where the graph runs. */
  Device device() {
    return old.device();
  }

  /** What stands for a value of the old graph in the new one. */
  public Value now(Value value) {
    return replacements.getOrDefault(value, value);
  }

  /** What stands for values of the old graph in the new one. */
  public List<Value> now(List<Value> values) {
    return values.stream().map(this::now).toList();
  }

  /** Uses {@code replacement}, of the new graph, for a value of the old one. */
  public void replace(Value value, Value replacement) {
    if (!value.spec().equals(replacement.spec())) {
      throw new IllegalStateException(
          "graph: " + value.spec() + " cannot be replaced by " + replacement.spec());
    }
    replacements.put(value, replacement);
  }

  /** Takes a node over, with the replacements of its inputs. */
  public Node keep(Node node) {
    return keep(node, node.op(), now(node.inputs()));
  }

  /** Takes a node over with another op and inputs that give the same results. */
  public Node keep(Node node, Op op, List<Value> inputs) {
    Node kept =
        op.equals(node.op()) && inputs.equals(node.inputs())
            ? node
            : new Node(op, inputs, node.outputs());
    nodes.add(kept);
    for (int i = 0; i < node.outputs().size(); i++) {
      replacements.put(node.result(i), kept.result(i));
    }
    return kept;
  }

  /** The result of an op on certain values, where the new graph already has it. */
  Optional<Value> find(Op op, List<Value> inputs) {
    return nodes.stream()
        .filter(node -> node.op().equals(op) && node.inputs().equals(inputs))
        .findFirst()
        .map(node -> node.result(0));
  }

  @Override
  public Value apply(Op op, List<Value> inputs) {
    Node node = new Node(op, inputs, op.infer(inputs.stream().map(Value::spec).toList()));
    nodes.add(node);
    return node.result(0);
  }

  @Override
  public TensorSpec spec(Value value) {
    return value.spec();
  }

  /** The new graph. */
  public Graph finish() {
    return new Graph(
        old.device(),
        old.inputs(),
        nodes,
        now(old.outputs()),
        old.writes().stream()
            .map(write -> new Graph.Write(now(write.value()), write.target()))
            .toList());
  }
}
