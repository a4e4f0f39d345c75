package io.quern.onnx;

import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Function;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.ValueInfo;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Looks through a model without running it. */
final class ModelCheck {
  private final Interpreter interpreter;
  private final Map<String, Missing> missing = new LinkedHashMap<>();
  private final Set<String> problems = new LinkedHashSet<>();
  private final Set<String> nodeByNode = new LinkedHashSet<>();
  private final Set<String> operators = new HashSet<>();
  private final Set<Function> seen = new HashSet<>();

  private record Missing(String domain, String op, long version, List<String> nodes) {}

  private ModelCheck(Interpreter interpreter) {
    this.interpreter = interpreter;
  }

  static ModelReport of(ModelProto model, Interpreter interpreter) {
    ModelCheck check = new ModelCheck(interpreter);
    check.graph(model.graph(), model.opsets(), Set.of());
    List<ModelReport.Unsupported> unsupported =
        check.missing.values().stream()
            .map(
                each -> new ModelReport.Unsupported(each.domain, each.op, each.version, each.nodes))
            .toList();
    return new ModelReport(
        unsupported, List.copyOf(check.problems), List.copyOf(check.nodeByNode), check.operators);
  }

  private void graph(Graph graph, Map<String, Long> opsets, Set<String> outer) {
    Set<String> names = new HashSet<>(outer);
    graph.inputs().stream().map(ValueInfo::name).forEach(names::add);
    names.addAll(graph.initializers().keySet());
    names.addAll(graph.sparseInitializers().keySet());
    nodes(graph.nodes(), opsets, names);
    for (ValueInfo output : graph.outputs()) {
      if (!names.contains(output.name())) {
        problems.add("no node gives the output '" + output.name() + "'");
      }
    }
  }

  private void nodes(List<Node> nodes, Map<String, Long> opsets, Set<String> names) {
    Set<String> given = new HashSet<>();
    for (Node node : nodes) {
      for (String input : node.inputs()) {
        if (!input.isEmpty() && !names.contains(input)) {
          problems.add(
              node.label()
                  + ": input '"
                  + input
                  + "' is neither an input of the graph nor a constant nor given by an earlier"
                  + " node");
        }
      }
      node(node, opsets, names);
      for (String output : node.outputs()) {
        if (!output.isEmpty() && !given.add(output)) {
          problems.add(node.label() + ": output '" + output + "' is given by two nodes");
        }
      }
      names.addAll(node.outputs());
    }
  }

  private void node(Node node, Map<String, Long> opsets, Set<String> names) {
    Function function = interpreter.function(node);
    if (function != null) {
      if (seen.add(function)) {
        Map<String, Long> versions = new HashMap<>(opsets);
        versions.putAll(function.opsets());
        nodes(function.nodes(), versions, new HashSet<>(function.inputs()));
      }
      return;
    }
    operators.add(node.op());
    long version = opsets.getOrDefault(node.domain(), 1L);
    OpTable.Entry entry = OpTable.ALL.find(node.domain(), node.op(), version);
    if (entry == null) {
      missing
          .computeIfAbsent(
              node.domain() + ":" + node.op() + ":" + version,
              _ -> new Missing(node.domain(), node.op(), version, new ArrayList<>()))
          .nodes
          .add(node.name().isEmpty() ? String.join(",", node.outputs()) : node.name());
    } else if (entry.kind() == OpTable.Kind.EAGER) {
      nodeByNode.add(node.label() + " needs the elements of its inputs, unless they are constants");
    }
    for (Attribute attribute : node.attributes().values()) {
      if (attribute.graph() != null) {
        graph(attribute.graph(), opsets, names);
      }
      attribute.graphs().forEach(graph -> graph(graph, opsets, names));
    }
  }
}
