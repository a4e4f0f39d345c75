package io.quern.graph;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.backend.Buffer;
import io.quern.op.TensorSpec;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A function of tensors as a list of ops, each after those whose results it uses. Immutable.
 *
 * @param device where all of it runs
 * @param inputs element types and shapes of the arguments
 * @param nodes the ops in order
 * @param outputs the results of the function
 * @param writes changes of captured tensors, which take effect when all ops have run
 */
public record Graph(
    Device device,
    List<TensorSpec> inputs,
    List<Node> nodes,
    List<Value> outputs,
    List<Write> writes) {
  /** A captured tensor that gets a new value. */
  public record Write(Value value, Value.Captured target) {}

  /** Copies the lists. */
  public Graph {
    inputs = List.copyOf(inputs);
    nodes = List.copyOf(nodes);
    outputs = List.copyOf(outputs);
    writes = List.copyOf(writes);
  }

  /** This graph on another device, where what it captures is. */
  Graph on(Device other) {
    return new Graph(other, inputs, nodes, outputs, writes);
  }

  /** This graph, in which nothing is computed beforehand from tensors that change between runs. */
  public Graph changing(Collection<Tensor> tensors) {
    Set<Buffer> buffers = tensors.stream().map(TensorAccess::buffer).collect(Collectors.toSet());
    Set<Value.Captured> unwritten = captured();
    writes.forEach(write -> unwritten.remove(write.target()));
    Rewriter rewriter = new Rewriter(this);
    for (Value.Captured captured : unwritten) {
      if (buffers.contains(TensorAccess.buffer(captured.tensor()))) {
        rewriter.replace(captured, captured.asChanging());
      }
    }
    nodes.forEach(rewriter::keep);
    return rewriter.finish();
  }

  /** How often each value is used, as an output or by a write included. */
  public Map<Value, Integer> uses() {
    Map<Value, Integer> uses = new HashMap<>();
    nodes.forEach(node -> node.inputs().forEach(value -> uses.merge(value, 1, Integer::sum)));
    outputs.forEach(value -> uses.merge(value, 1, Integer::sum));
    writes.forEach(write -> uses.merge(write.value(), 1, Integer::sum));
    return uses;
  }

  /** All captured tensors that the graph reads. */
  public Set<Value.Captured> captured() {
    Set<Value.Captured> captured = new LinkedHashSet<>();
    for (Value value : uses().keySet()) {
      if (value instanceof Value.Captured one) {
        captured.add(one);
      }
    }
    return captured;
  }

  /** One line per op, such as {@code %3 = matmul %0, weight1 : F32[8, 10]}. */
  @Override
  public String toString() {
    Names names = new Names();
    StringBuilder text = new StringBuilder();
    for (Node node : nodes) {
      String results =
          node.outputs().size() == 1
              ? names.of(node.result(0))
              : java.util.stream.IntStream.range(0, node.outputs().size())
                  .mapToObj(i -> names.of(node.result(i)))
                  .collect(Collectors.joining(", "));
      String operands = node.inputs().stream().map(names::of).collect(Collectors.joining(", "));
      text.append(results).append(" = ").append(node.op()).append('(').append(operands);
      text.append(") : ").append(node.outputs().getFirst()).append('\n');
    }
    for (Write write : writes) {
      text.append(names.of(write.target())).append(" <- ").append(names.of(write.value()));
      text.append('\n');
    }
    String results = outputs.stream().map(names::of).collect(Collectors.joining(", "));
    return text.append("return ").append(results).append('\n').toString();
  }

  /** Numbers values in the order in which they are seen. */
  static final class Names {
    private final Map<Value, String> names = new HashMap<>();
    private int results;
    private int captured;
    private int hosts;

    String of(Value value) {
      return names.computeIfAbsent(
          value,
          key ->
              switch (key) {
                case Value.Input input -> "in" + input.index();
                case Value.Result _ -> "%" + results++;
                case Value.Captured _ -> "c" + captured++;
                case Value.Host _ -> "h" + hosts++;
              });
    }
  }
}
