package io.quern.graph;

import io.quern.op.Op;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Computes the same op on the same inputs once; all ops are pure. */
final class CommonSubexpressions {
  private CommonSubexpressions() {}

  private record Expression(Op op, List<Value> inputs) {}

  static Graph apply(Graph graph) {
    Rewriter rewriter = new Rewriter(graph);
    Map<Expression, Node> seen = new HashMap<>();
    for (Node node : graph.nodes()) {
      Expression expression = new Expression(node.op(), rewriter.now(node.inputs()));
      Node same = seen.get(expression);
      if (same == null) {
        seen.put(expression, rewriter.keep(node));
      } else {
        for (int i = 0; i < node.outputs().size(); i++) {
          rewriter.replace(node.result(i), same.result(i));
        }
      }
    }
    return rewriter.finish();
  }
}
