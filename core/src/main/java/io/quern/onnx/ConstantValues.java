package io.quern.onnx;

import io.quern.Tensor;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.TensorProto;
import io.quern.onnx.ModelProto.ValueInfo;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What the values of a graph are that do not depend on its inputs. */
final class ConstantValues {
  private final ModelProto model;
  private final Interpreter interpreter;
  private final Set<String> names = new HashSet<>();
  private final List<Node> nodes = new ArrayList<>();
  private final Map<String, Tensor> known = new HashMap<>();

  ConstantValues(ModelProto model, TensorReader constants) {
    this.model = model;
    this.interpreter = new Interpreter(model, constants);
    Graph graph = model.graph();
    names.addAll(graph.initializers().keySet());
    names.addAll(graph.sparseInitializers().keySet());
    for (Node node : graph.nodes()) {
      long version = model.opsets().getOrDefault(node.domain(), 1L);
      OpTable.Entry entry = OpTable.ALL.find(node.domain(), node.op(), version);
      boolean isPure = entry != null && entry.kind() == OpTable.Kind.PURE;
      if (isPure && node.inputs().stream().allMatch(i -> i.isEmpty() || names.contains(i))) {
        names.addAll(node.outputs());
        nodes.add(node);
      }
    }
  }

  /** Whether a value is one. */
  boolean contains(String name) {
    return names.contains(name);
  }

  /** The value of that name, a tensor. */
  Tensor get(String name) {
    return known.computeIfAbsent(name, this::compute);
  }

  private Tensor compute(String name) {
    Graph graph = model.graph();
    Set<String> needed = new HashSet<>(Set.of(name));
    List<Node> path = new ArrayList<>();
    for (Node node : nodes.reversed()) {
      if (node.outputs().stream().anyMatch(needed::contains)) {
        needed.addAll(node.inputs());
        path.addFirst(node);
      }
    }
    Map<String, TensorProto> initializers = new HashMap<>(graph.initializers());
    initializers.keySet().retainAll(needed);
    Graph part =
        new Graph(
            "constants",
            path,
            List.of(),
            List.of(new ValueInfo(name, null)),
            initializers,
            graph.sparseInitializers());
    OnnxValue value = interpreter.run(part, Map.of())[0];
    if (value instanceof OnnxValue.Dense(Tensor tensor, ElementType _)) {
      return tensor;
    }
    throw new OnnxException("onnx: '" + name + "' must be a tensor of numbers, found " + value);
  }

  /** A constant of a graph, with the bytes of its elements. */
  static TensorProto of(String name, ElementType type, long[] dims, MemorySegment bytes) {
    return new TensorProto(name, type.code(), dims, bytes, new Numbers(), List.of(), null, 0);
  }

  /** A constant of floats. */
  static TensorProto of(String name, long[] dims, float... values) {
    return of(name, ElementType.FLOAT, dims, bytes(MemorySegment.ofArray(values)));
  }

  /** The same bytes, which may lie at any address. */
  private static MemorySegment bytes(MemorySegment values) {
    return MemorySegment.ofArray(values.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
  }

  /** A constant of integers of 32 bits. */
  static TensorProto of(String name, int... values) {
    long[] dims = {values.length};
    return of(name, ElementType.INT32, dims, bytes(MemorySegment.ofArray(values)));
  }

  /** A constant of bytes. */
  static TensorProto of(String name, ElementType type, long[] dims, byte... values) {
    return of(name, type, dims, MemorySegment.ofArray(values));
  }
}
