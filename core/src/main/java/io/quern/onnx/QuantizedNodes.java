package io.quern.onnx;

import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.TensorProto;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds the operators on bytes in a graph that says them by way of floats: what is dequantised,
 * computed and quantised again (QDQ) becomes QLinearConv, QGemm, QLinearMatMul or QLinearAdd. A
 * rectifier before the end goes, where zero is the least byte. Scales and zero points must be
 * constants.
 */
final class QuantizedNodes {
  private static final String MICROSOFT = "com.microsoft";
  private static final String QUANTIZE = "QuantizeLinear";
  private static final String DEQUANTIZE = "DequantizeLinear";

  private final Graph graph;
  private final Map<String, Node> givenBy = new HashMap<>();
  private final Map<String, Integer> uses;

  private QuantizedNodes(Graph graph) {
    this.graph = graph;
    for (Node node : graph.nodes()) {
      node.outputs().forEach(output -> givenBy.put(output, node));
    }
    this.uses = uses(graph);
  }

  /** The model with operators on bytes. */
  static ModelProto fuse(ModelProto model) {
    if (model.graph().nodes().stream().noneMatch(node -> is(node, QUANTIZE))) {
      return model;
    }
    return model.with(new QuantizedNodes(model.graph()).fused());
  }

  private static boolean is(@Nullable Node node, String op) {
    return node != null && node.domain().isEmpty() && node.op().equals(op);
  }

  /** How often values are used, in graphs within as well. */
  static Map<String, Integer> uses(Graph graph) {
    Map<String, Integer> uses = new HashMap<>();
    countUses(graph, uses);
    return uses;
  }

  private static void countUses(Graph graph, Map<String, Integer> uses) {
    graph.outputs().forEach(output -> uses.merge(output.name(), 1, Integer::sum));
    for (Node node : graph.nodes()) {
      node.inputs().forEach(input -> uses.merge(input, 1, Integer::sum));
      for (Attribute attribute : node.attributes().values()) {
        if (attribute.graph() != null) {
          countUses(attribute.graph(), uses);
        }
        attribute.graphs().forEach(each -> countUses(each, uses));
      }
    }
  }

  private Graph fused() {
    List<Node> nodes = new ArrayList<>();
    Set<Node> replaced = new HashSet<>();
    for (Node node : graph.nodes()) {
      Node fused = is(node, QUANTIZE) ? fused(node, replaced) : null;
      nodes.add(fused == null ? node : fused);
    }
    nodes.removeIf(replaced::contains);
    return graph.with(withoutUnused(nodes));
  }

  /** Dequantised values that nobody uses any more go. */
  private List<Node> withoutUnused(List<Node> nodes) {
    Set<String> used = uses(graph.with(nodes)).keySet();
    return nodes.stream()
        .filter(node -> !is(node, DEQUANTIZE) || used.contains(node.outputs().getFirst()))
        .toList();
  }

  /** The operator on bytes that ends in {@code quantize}, or null. */
  private @Nullable Node fused(Node quantize, Set<Node> replaced) {
    Node rectifier = null;
    Node node = onlyFor(quantize, 0);
    if (is(node, "Relu")) {
      rectifier = node;
      node = onlyFor(node, 0);
    }
    if (rectifier == null && node != null && QdqGraph.isMove(node)) {
      return moved(node, quantize, replaced);
    }
    if (node == null
        || !node.domain().isEmpty()
        || (rectifier != null && !isLeast(quantize))
        || !isScalar(quantize)) {
      return null;
    }
    Node fused =
        switch (node.op()) {
          case "Conv" -> conv(node, quantize);
          case "Gemm" -> gemm(node, quantize);
          case "MatMul" -> matmul(node, quantize);
          case "Add" -> sum(node, quantize);
          default -> null;
        };
    if (fused != null) {
      replaced.add(node);
      if (rectifier != null) {
        replaced.add(rectifier);
      }
    }
    return fused;
  }

  /** A node that moves bytes, if all of them keep their meaning. */
  private @Nullable Node moved(Node node, Node quantize, Set<Node> replaced) {
    List<String> inputs = new ArrayList<>(node.inputs());
    for (int i = 0; i < QdqGraph.moved(node).size(); i++) {
      Node from = dequantized(node, i);
      if (from == null || !isSame(from, quantize, 1) || !isSame(from, quantize, 2)) {
        return null;
      }
      inputs.set(i, input(from, 0));
    }
    replaced.add(node);
    return with(node, "", node.op(), inputs, quantize);
  }

  /** Whether a scale or zero point of two nodes is the same constant, or an equal one. */
  private boolean isSame(Node a, Node b, int input) {
    if (input(a, input).equals(input(b, input))) {
      return true;
    }
    TensorProto left = constant(a, input);
    TensorProto right = constant(b, input);
    return left != null
        && right != null
        && left.type() == right.type()
        && left.raw() != null
        && right.raw() != null
        && left.raw().mismatch(right.raw()) < 0;
  }

  /** The node whose output is an input of {@code user}, and nothing else, or null. */
  private @Nullable Node onlyFor(Node user, int input) {
    String name = user.inputs().get(input);
    return Integer.valueOf(1).equals(uses.get(name)) ? givenBy.get(name) : null;
  }

  /** A node that dequantises an input of {@code user} by constants, or null. */
  private @Nullable Node dequantized(Node user, int input) {
    Node node = user.inputs().size() > input ? givenBy.get(user.inputs().get(input)) : null;
    return is(node, DEQUANTIZE)
            && isConstant(node, 1)
            && (input(node, 2).isEmpty() || isConstant(node, 2))
            && !node.attributes().containsKey("block_size")
        ? node
        : null;
  }

  private boolean isConstant(Node node, int input) {
    return constant(node, input) != null;
  }

  /** A constant input, or null. */
  private @Nullable TensorProto constant(Node node, int input) {
    String name = input(node, input);
    TensorProto constant = graph.initializers().get(name);
    Node from = givenBy.get(name);
    if (constant == null && is(from, "Constant") && from.attributes().containsKey("value")) {
      return from.attributes().get("value").tensor();
    }
    return constant;
  }

  private static String input(Node node, int index) {
    return index < node.inputs().size() ? node.inputs().get(index) : "";
  }

  /** Whether there is one scale for all, and nothing unusual. */
  private boolean isScalar(Node quantized) {
    TensorProto scale = constant(quantized, 1);
    return scale != null
        && size(scale) == 1
        && (input(quantized, 2).isEmpty() || isConstant(quantized, 2))
        && !quantized.attributes().containsKey("output_dtype");
  }

  private static long size(TensorProto tensor) {
    long size = 1;
    for (long dim : tensor.dims()) {
      size *= dim;
    }
    return size;
  }

  /** Whether scales are of a certain axis, or there is one for all. */
  private boolean isAlong(Node dequantize, int axis) {
    TensorProto scale = constant(dequantize, 1);
    return scale != null && (size(scale) == 1 || dequantize.integer("axis", 1) == axis);
  }

  /** Whether a node's zero point is the least byte. */
  private boolean isLeast(Node quantize) {
    TensorProto zero = constant(quantize, 2);
    if (zero == null) {
      return input(quantize, 2).isEmpty();
    }
    MemorySegment raw = zero.raw();
    boolean isByte = raw == null ? zero.numbers().size() == 1 : raw.byteSize() == 1;
    long value =
        !isByte ? 1 : raw == null ? zero.numbers().get(0) : raw.get(ValueLayout.JAVA_BYTE, 0);
    ElementType type = ElementType.of(zero.type());
    return (type == ElementType.UINT8 && value == 0)
        || (type == ElementType.INT8 && value == Byte.MIN_VALUE);
  }

  private @Nullable Node conv(Node node, Node quantize) {
    Node x = dequantized(node, 0);
    Node w = dequantized(node, 1);
    if (x == null || w == null || !isScalar(x) || !isAlong(w, 0)) {
      return null;
    }
    List<String> inputs = operands(x, w);
    addSteps(quantize, inputs);
    inputs.add(input(node, 2));
    return with(node, "", "QLinearConv", inputs, quantize);
  }

  private @Nullable Node gemm(Node node, Node quantize) {
    Node a = dequantized(node, 0);
    Node b = dequantized(node, 1);
    boolean isPlain =
        node.number("alpha", 1) == 1
            && node.number("beta", 1) == 1
            && node.integer("transA", 0) == 0;
    if (a == null || b == null || !isPlain || !isScalar(a)) {
      return null;
    }
    if (!isAlong(b, node.integer("transB", 0) == 1 ? 0 : 1)) {
      return null;
    }
    List<String> inputs = operands(a, b);
    inputs.add(input(node, 2));
    addSteps(quantize, inputs);
    return with(node, MICROSOFT, "QGemm", inputs, quantize);
  }

  private @Nullable Node matmul(Node node, Node quantize) {
    Node a = dequantized(node, 0);
    Node b = dequantized(node, 1);
    if (a == null || b == null || !isScalar(a) || !isScalar(b) || input(quantize, 2).isEmpty()) {
      return null;
    }
    List<String> inputs = operands(a, b);
    addSteps(quantize, inputs);
    return inputs.contains("") ? null : with(node, "", "QLinearMatMul", inputs, quantize);
  }

  private @Nullable Node sum(Node node, Node quantize) {
    Node a = dequantized(node, 0);
    Node b = dequantized(node, 1);
    if (a == null || b == null || !isScalar(a) || !isScalar(b)) {
      return null;
    }
    List<String> inputs = operands(a, b);
    addSteps(quantize, inputs);
    return with(node, MICROSOFT, "QLinearAdd", inputs, quantize);
  }

  /** Bytes, scales and zero points of two dequantised values. */
  private static List<String> operands(Node a, Node b) {
    List<String> inputs = new ArrayList<>();
    for (Node dequantize : List.of(a, b)) {
      inputs.add(input(dequantize, 0));
      addSteps(dequantize, inputs);
    }
    return inputs;
  }

  /** Scale and zero point. */
  private static void addSteps(Node quantized, List<String> inputs) {
    inputs.add(input(quantized, 1));
    inputs.add(input(quantized, 2));
  }

  private static Node with(
      Node node, String domain, String op, List<String> inputs, Node quantize) {
    return new Node(node.name(), domain, op, "", inputs, quantize.outputs(), node.attributes());
  }
}
