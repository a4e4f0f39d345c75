package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** The graph of a model that is being written: nodes in order, constants, inputs and outputs. */
final class ExportGraph {
  private final Set<String> names = new HashSet<>();
  private final Map<String, Node> producers = new HashMap<>();
  private final Map<String, Constant> constants = new LinkedHashMap<>();
  private final List<Node> nodes = new ArrayList<>();
  private final List<Port> inputs = new ArrayList<>();
  private final List<Port> outputs = new ArrayList<>();
  private final Map<String, String> outputNames = new HashMap<>();

  /** A value by name. */
  record Term(String name, TensorSpec spec) {}

  /**
   * An operator and the names of its values; it is called as its first output.
   *
   * @param attributes a Long, a Double or a list of Longs for each name
   */
  record Node(
      String op, List<String> inputs, List<String> outputs, Map<String, Object> attributes) {
    private Node renamed(String from, String to) {
      UnaryOperator<String> rename = name -> name.equals(from) ? to : name;
      return new Node(
          op,
          inputs.stream().map(rename).toList(),
          outputs.stream().map(rename).toList(),
          attributes);
    }
  }

  /** An input or output; sizes are numbers or expressions. */
  record Port(String name, DType dtype, List<String> dims) {}

  /** An initialiser. */
  sealed interface Constant {}

  /** The elements of a tensor. */
  record Weight(Tensor tensor) implements Constant {}

  /** Sizes, positions or axes: I64[n]. */
  record Sizes(List<Long> values) implements Constant {}

  List<Node> nodes() {
    return Collections.unmodifiableList(nodes);
  }

  Map<String, Constant> constants() {
    return Collections.unmodifiableMap(constants);
  }

  /** Size of the elements of all tensors. */
  long weightBytes() {
    return constants.values().stream()
        .mapToLong(each -> each instanceof Weight(Tensor tensor) ? tensor.spec().byteSize() : 0)
        .sum();
  }

  List<Port> inputs() {
    return Collections.unmodifiableList(inputs);
  }

  List<Port> outputs() {
    return Collections.unmodifiableList(outputs);
  }

  // ---- building ---------------------------------------------------------------------------

  /**
   * Keeps a name from being used for anything else.
   *
   * @throws IllegalArgumentException if it is taken
   */
  void reserve(String name) {
    if (name.isEmpty() || !names.add(name)) {
      throw new IllegalArgumentException(
          "onnx export: names of inputs and outputs must be different and not empty, found '"
              + name
              + (name.isEmpty() ? "'" : "' twice"));
    }
  }

  /** A new name that begins with {@code base}. */
  String fresh(String base) {
    String name = base;
    for (int i = 1; !names.add(name); i++) {
      name = base + "_" + i;
    }
    return name;
  }

  void input(String name, TensorSpec spec) {
    inputs.add(port(name, spec));
  }

  /** Makes a value an output. */
  void output(String name, Term value) {
    String given = outputNames.get(value.name);
    if (given != null || producer(value.name) == null) {
      String source = given != null ? given : value.name;
      nodes.add(new Node("Identity", List.of(source), List.of(name), Map.of()));
    } else {
      nodes.replaceAll(node -> node.renamed(value.name, name));
      outputNames.put(value.name, name);
    }
    outputs.add(port(name, value.spec));
  }

  private static Port port(String name, TensorSpec spec) {
    List<String> dims = LongStream.of(spec.shape().toArray()).mapToObj(Long::toString).toList();
    return new Port(name, spec.dtype(), dims);
  }

  /** A constant that is called {@code base}, or nearly so. */
  Term weight(String base, Tensor tensor) {
    String name = fresh(base);
    constants.put(name, new Weight(tensor));
    return new Term(name, tensor.spec());
  }

  /** A constant of sizes, positions or axes. */
  Term sizes(String base, long... values) {
    String name = fresh(base);
    constants.put(name, new Sizes(Arrays.stream(values).boxed().toList()));
    return new Term(name, new TensorSpec(DType.I64, Shape.of(values.length)));
  }

  /** Adds an operator that gives values of new names. */
  List<Term> add(
      String op, List<Term> arguments, Map<String, Object> attributes, List<TensorSpec> results) {
    List<Term> terms =
        results.stream().map(spec -> new Term(fresh(op.toLowerCase(Locale.ROOT)), spec)).toList();
    List<String> given = terms.stream().map(Term::name).toList();
    Node node =
        new Node(op, arguments.stream().map(Term::name).toList(), given, new TreeMap<>(attributes));
    nodes.add(node);
    given.forEach(name -> producers.put(name, node));
    return terms;
  }

  /** The operator that gives a value, or null. */
  @Nullable Node producer(String name) {
    return producers.get(name);
  }

  /** This graph with other constants and ports, and further nodes in front. */
  ExportGraph with(
      Map<String, Constant> otherConstants,
      List<Node> before,
      List<Port> otherInputs,
      List<Port> otherOutputs) {
    ExportGraph graph = new ExportGraph();
    graph.constants.putAll(otherConstants);
    graph.nodes.addAll(before);
    graph.nodes.addAll(nodes);
    graph.inputs.addAll(otherInputs);
    graph.outputs.addAll(otherOutputs);
    return graph;
  }

  /** Drops nodes and constants that no output needs. */
  void dropUnused() {
    Set<String> used = new HashSet<>();
    outputs.forEach(output -> used.add(output.name));
    for (Node node : nodes.reversed()) {
      if (node.outputs.stream().anyMatch(used::contains)) {
        used.addAll(node.inputs);
      }
    }
    nodes.removeIf(node -> node.outputs.stream().noneMatch(used::contains));
    constants.keySet().retainAll(used);
  }
}
