package io.quern.graph;

import java.util.HashSet;
import java.util.Set;

/** Drops ops whose results nobody uses. */
final class DeadCode {
  private DeadCode() {}

  static Graph apply(Graph graph) {
    Set<Node> live = new HashSet<>();
    graph.outputs().forEach(value -> mark(value, live));
    graph.writes().forEach(write -> mark(write.value(), live));
    for (int i = graph.nodes().size() - 1; i >= 0; i--) {
      Node node = graph.nodes().get(i);
      if (live.contains(node)) {
        node.inputs().forEach(value -> mark(value, live));
      }
    }
    return new Graph(
        graph.device(),
        graph.inputs(),
        graph.nodes().stream().filter(live::contains).toList(),
        graph.outputs(),
        graph.writes());
  }

  private static void mark(Value value, Set<Node> live) {
    if (value instanceof Value.Result(Node node, int _)) {
      live.add(node);
    }
  }
}
