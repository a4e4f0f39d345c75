package io.quern.onnx;

import io.quern.graph.Trace;
import io.quern.io.FormatException;
import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Function;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.SparseTensor;
import io.quern.onnx.ModelProto.TensorProto;
import io.quern.onnx.ModelProto.ValueInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Walks the nodes of a graph in order and applies their builders to values. While the thread
 * traces, what follows from constants and shapes alone is still computed at once, so that it can be
 * asked for.
 */
final class Interpreter {
  /** Functions within functions. */
  private static final int DEEPEST = 200;

  private final Map<String, Long> opsets;
  private final Map<Key, Function> functions = new HashMap<>();
  private final TensorReader constants;
  private final Map<TensorProto, OnnxValue> read = new ConcurrentHashMap<>();
  private final Derived derived = new Derived();

  Interpreter(ModelProto model, TensorReader constants) {
    this.opsets = model.opsets();
    this.constants = constants;
    for (Function function : model.functions()) {
      functions.put(new Key(function.domain(), function.name(), function.overload()), function);
    }
  }

  private record Key(String domain, String op, String overload) {}

  /** Names and their values, within those of the surrounding graph. */
  record Scope(
      Interpreter interpreter,
      Map<String, OnnxValue> values,
      Map<String, Attribute> attributes,
      Map<String, Long> opsets,
      @Nullable Scope outer,
      int depth) {

    @Nullable OnnxValue find(String name) {
      for (Scope scope = this; scope != null; scope = scope.outer) {
        OnnxValue value = scope.values.get(name);
        if (value != null) {
          return value;
        }
      }
      return null;
    }
  }

  TensorReader constants() {
    return constants;
  }

  /** The function that the model itself defines for a node, or null. */
  @Nullable Function function(Node node) {
    return functions.get(new Key(node.domain(), node.op(), node.overload()));
  }

  /** A constant, which is read once. */
  OnnxValue constant(TensorProto proto) {
    return read.computeIfAbsent(
        proto,
        key -> {
          OnnxValue value = constants.read(key);
          derived.add(value);
          return value;
        });
  }

  /** What follows from constants. */
  Derived derived() {
    return derived;
  }

  /** Runs the model's graph. */
  OnnxValue[] run(Graph graph, Map<String, OnnxValue> arguments) {
    Scope scope = new Scope(this, new HashMap<>(), Map.of(), opsets, null, 0);
    load(graph, scope);
    scope.values.putAll(arguments);
    return run(graph.nodes(), graph.outputs().stream().map(ValueInfo::name).toList(), scope);
  }

  /** Runs a graph within another one. */
  OnnxValue[] run(Graph graph, Scope outer, OnnxValue... arguments) {
    Scope scope =
        new Scope(
            this, new HashMap<>(), outer.attributes, outer.opsets, outer, deeper(outer, "graphs"));
    load(graph, scope);
    if (arguments.length > graph.inputs().size()) {
      throw new OnnxException(
          "graph '"
              + graph.name()
              + "' takes "
              + graph.inputs().size()
              + " inputs, found "
              + arguments.length);
    }
    for (int i = 0; i < arguments.length; i++) {
      scope.values.put(graph.inputs().get(i).name(), arguments[i]);
    }
    return run(graph.nodes(), graph.outputs().stream().map(ValueInfo::name).toList(), scope);
  }

  private static int deeper(Scope outer, String what) {
    if (outer.depth == DEEPEST) {
      throw new OnnxException("onnx: " + what + " are nested more than " + DEEPEST + " deep");
    }
    return outer.depth + 1;
  }

  private void load(Graph graph, Scope scope) {
    for (Map.Entry<String, TensorProto> each : graph.initializers().entrySet()) {
      scope.values.put(each.getKey(), constant(each.getValue()));
    }
    for (Map.Entry<String, SparseTensor> each : graph.sparseInitializers().entrySet()) {
      scope.values.put(each.getKey(), constants.read(each.getValue()));
    }
  }

  private OnnxValue[] run(List<Node> nodes, List<String> outputs, Scope scope) {
    for (Node node : nodes) {
      OnnxValue[] results;
      try {
        results = apply(node, scope);
      } catch (NeedsValue | OnnxException | FormatException e) {
        throw e;
      } catch (IllegalArgumentException
          | ArithmeticException
          | IndexOutOfBoundsException
          | UnsupportedOperationException e) {
        throw new OnnxException(node.label() + ": " + e.getMessage(), e);
      }
      if (results.length < node.outputs().size() && !node.outputs().get(results.length).isEmpty()) {
        throw new OnnxException(
            node.label()
                + ": has "
                + results.length
                + " outputs, found "
                + node.outputs().size()
                + " names");
      }
      for (int i = 0; i < node.outputs().size() && i < results.length; i++) {
        if (!node.outputs().get(i).isEmpty()) {
          scope.values.put(node.outputs().get(i), results[i]);
        }
      }
    }
    OnnxValue[] results = new OnnxValue[outputs.size()];
    for (int i = 0; i < results.length; i++) {
      results[i] = scope.find(outputs.get(i));
      if (results[i] == null) {
        throw new OnnxException("onnx: no node gives the output '" + outputs.get(i) + "'");
      }
    }
    return results;
  }

  private OnnxValue[] apply(Node node, Scope scope) {
    @Nullable OnnxValue[] inputs = new OnnxValue[node.inputs().size()];
    for (int i = 0; i < inputs.length; i++) {
      String name = node.inputs().get(i);
      inputs[i] = name.isEmpty() ? null : scope.find(name);
      if (inputs[i] == null && !name.isEmpty()) {
        throw new OnnxException(
            node.label()
                + ": input '"
                + name
                + "' is neither an input of the graph nor a constant nor given by an earlier node");
      }
    }
    Map<String, Attribute> attributes = resolve(node.attributes(), scope);
    Function function = function(node);
    if (function != null) {
      return call(function, inputs, attributes, scope);
    }
    long version = scope.opsets.getOrDefault(node.domain(), 1L);
    OpTable.Entry entry = OpTable.ALL.find(node.domain(), node.op(), version);
    if (entry == null) {
      throw new OnnxException(node.label() + ": is not supported in version " + version);
    }
    Call call = new Call(node, version, inputs, attributes, scope);
    boolean known = Arrays.stream(inputs).allMatch(Call::isKnown);
    if (entry.kind() == OpTable.Kind.EAGER && !known) {
      throw new NeedsValue(node.label() + " needs the elements of its inputs");
    }
    boolean atOnce =
        known && entry.kind() != OpTable.Kind.RANDOM && entry.kind() != OpTable.Kind.BODY;
    if (!atOnce) {
      return entry.builder().build(call);
    }
    // Attributes of a node in a function differ from one call of the function to the next.
    return attributes.equals(node.attributes())
        ? derived.of(node, () -> entry.builder().build(call), Arrays.asList(inputs))
        : Trace.outside(() -> entry.builder().build(call));
  }

  /** Attributes of a node in a function may stand for those that the function was called with. */
  private static Map<String, Attribute> resolve(Map<String, Attribute> attributes, Scope scope) {
    if (attributes.values().stream().allMatch(each -> each.reference().isEmpty())) {
      return attributes;
    }
    Map<String, Attribute> resolved = new LinkedHashMap<>();
    attributes.forEach(
        (name, attribute) -> {
          Attribute meant =
              attribute.reference().isEmpty()
                  ? attribute
                  : scope.attributes.get(attribute.reference());
          if (meant != null) {
            resolved.put(name, meant);
          }
        });
    return resolved;
  }

  private OnnxValue[] call(
      Function function,
      @Nullable OnnxValue[] inputs,
      Map<String, Attribute> attributes,
      Scope outer) {
    Map<String, Attribute> arguments = new HashMap<>(function.defaults());
    arguments.putAll(attributes);
    Map<String, Long> versions = new HashMap<>(opsets);
    versions.putAll(function.opsets());
    Scope scope =
        new Scope(this, new HashMap<>(), arguments, versions, null, deeper(outer, "functions"));
    for (int i = 0; i < inputs.length && i < function.inputs().size(); i++) {
      if (inputs[i] != null) {
        scope.values.put(function.inputs().get(i), Objects.requireNonNull(inputs[i]));
      }
    }
    List<Node> nodes = new ArrayList<>();
    for (Node node : function.nodes()) {
      nodes.add(withoutMissing(node, function, scope));
    }
    return run(nodes, function.outputs(), scope);
  }

  /** A parameter of the function that the caller left out is left out within as well. */
  private static Node withoutMissing(Node node, Function function, Scope scope) {
    List<String> inputs =
        node.inputs().stream()
            .map(
                name ->
                    function.inputs().contains(name) && !scope.values.containsKey(name) ? "" : name)
            .toList();
    return inputs.equals(node.inputs())
        ? node
        : new Node(
            node.name(),
            node.domain(),
            node.op(),
            node.overload(),
            inputs,
            node.outputs(),
            node.attributes());
  }
}
