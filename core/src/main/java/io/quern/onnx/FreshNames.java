package io.quern.onnx;

import io.quern.onnx.ModelProto.Graph;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** Names for new values of a graph, which no other value has. */
final class FreshNames {
  private final Set<String> taken = new HashSet<>();
  private final Map<String, String> given = new HashMap<>();

  FreshNames(Graph graph) {
    taken.addAll(graph.initializers().keySet());
    graph.inputs().forEach(input -> taken.add(input.name()));
    graph.nodes().forEach(node -> taken.addAll(node.outputs()));
  }

  /** What a value that should be called {@code wish} is called, the same each time. */
  String of(String wish) {
    return given.computeIfAbsent(
        wish,
        _ -> {
          String name = wish;
          for (int i = 1; !taken.add(name); i++) {
            name = wish + "_" + i;
          }
          return name;
        });
  }
}
