package io.quern.onnx;

import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Function;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.ValueInfo;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Looks through a model without running it, in time and memory that grow as its size. */
final class ModelCheck {
  /** Problems that are told one by one. */
  private static final int MOST_PROBLEMS = 100;

  private final Map<String, Long> opsets;
  private final Interpreter interpreter;
  private final Map<Versioned, List<String>> missing = new LinkedHashMap<>();
  private final Set<String> problems = new LinkedHashSet<>();
  private final Set<String> nodeByNode = new LinkedHashSet<>();
  private final Set<String> operators = new HashSet<>();
  private final Set<Function> functions = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Deque<Function> pending = new ArrayDeque<>();
  private long untold;

  private record Versioned(String domain, String op, long version) {}

  /** What nodes of a graph may use: names of its own, and those of the graphs around it. */
  private record Names(Set<String> own, @Nullable Names outer) {
    boolean contains(String name) {
      return own.contains(name) || (outer != null && outer.contains(name));
    }
  }

  private ModelCheck(Map<String, Long> opsets, Interpreter interpreter) {
    this.opsets = opsets;
    this.interpreter = interpreter;
  }

  static ModelReport of(ModelProto model, Interpreter interpreter) {
    ModelCheck check = new ModelCheck(model.opsets(), interpreter);
    check.graph(model.graph(), Map.of(), null);
    while (!check.pending.isEmpty()) {
      Function function = check.pending.remove();
      Set<String> inputs = new HashSet<>(function.inputs());
      check.nodes(function.nodes(), function.opsets(), new Names(inputs, null));
    }
    if (check.untold > 0) {
      check.problems.add("and " + check.untold + " more");
    }
    List<ModelReport.Unsupported> unsupported =
        check.missing.entrySet().stream()
            .map(
                each ->
                    new ModelReport.Unsupported(
                        each.getKey().domain,
                        each.getKey().op,
                        each.getKey().version,
                        each.getValue()))
            .toList();
    return new ModelReport(
        unsupported, List.copyOf(check.problems), List.copyOf(check.nodeByNode), check.operators);
  }

  /** A problem that is told unless there are many; its parts may be long. */
  private void problem(Supplier<String> text) {
    if (problems.size() < MOST_PROBLEMS) {
      problems.add(text.get());
    } else {
      untold++;
    }
  }

  private void graph(Graph graph, Map<String, Long> imports, @Nullable Names outer) {
    Set<String> own = new HashSet<>();
    for (ValueInfo input : graph.inputs()) {
      own.add(input.name());
    }
    own.addAll(graph.initializers().keySet());
    own.addAll(graph.sparseInitializers().keySet());
    Names names = new Names(own, outer);
    nodes(graph.nodes(), imports, names);
    for (ValueInfo output : graph.outputs()) {
      if (!names.contains(output.name())) {
        problem(() -> "no node gives the output '" + output.name() + "'");
      }
    }
  }

  private void nodes(List<Node> nodes, Map<String, Long> imports, Names names) {
    Set<String> given = new HashSet<>();
    for (Node node : nodes) {
      for (String input : node.inputs()) {
        if (!input.isEmpty() && !names.contains(input)) {
          problem(
              () ->
                  node.label()
                      + ": input '"
                      + input
                      + "' is neither an input of the graph nor a constant nor given by an earlier"
                      + " node");
        }
      }
      node(node, imports, names);
      for (String output : node.outputs()) {
        if (!output.isEmpty() && !given.add(output)) {
          problem(() -> node.label() + ": output '" + output + "' is given by two nodes");
        }
      }
      names.own.addAll(node.outputs());
    }
  }

  private void node(Node node, Map<String, Long> imports, Names names) {
    Function function = interpreter.function(node);
    if (function != null) {
      if (functions.add(function)) {
        pending.add(function);
      }
      return;
    }
    operators.add(node.op());
    long version = imports.getOrDefault(node.domain(), opsets.getOrDefault(node.domain(), 1L));
    OpTable.Entry entry = OpTable.ALL.find(node.domain(), node.op(), version);
    if (entry == null) {
      missing
          .computeIfAbsent(new Versioned(node.domain(), node.op(), version), _ -> new ArrayList<>())
          .add(node.name().isEmpty() ? String.join(",", node.outputs()) : node.name());
    } else if (entry.kind() == OpTable.Kind.EAGER) {
      nodeByNode.add(node.label() + " needs the elements of its inputs, unless they are constants");
    }
    if (node.domain().isEmpty() && version > OpTable.NEWEST) {
      problem(
          () ->
              "it is written for a newer version of ai.onnx, "
                  + version
                  + ", and operators are known up to "
                  + OpTable.NEWEST
                  + "; export it for that version");
    }
    for (String attribute : KnownAttributes.unknown(node)) {
      problem(
          () ->
              node.label()
                  + ": attribute '"
                  + attribute
                  + "' is not known, "
                  + node.op()
                  + " has "
                  + KnownAttributes.of(node.op()));
    }
    for (Attribute attribute : node.attributes().values()) {
      if (attribute.graph() != null) {
        graph(attribute.graph(), imports, names);
      }
      attribute.graphs().forEach(graph -> graph(graph, imports, names));
    }
  }
}
