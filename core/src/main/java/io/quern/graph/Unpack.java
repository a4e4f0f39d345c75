package io.quern.graph;

import io.quern.TensorAccess;
import io.quern.op.BlockMatMul;
import io.quern.op.TensorSpec;
import java.util.List;

/**
 * Takes products with packed weights apart where their device has no kernel, so that weights that
 * are constants are unpacked once, not in each run.
 */
final class Unpack {
  private Unpack() {}

  static Graph apply(Graph graph) {
    Rewriter rewriter = new Rewriter(graph);
    for (Node node : graph.nodes()) {
      if (node.op() instanceof BlockMatMul product && !hasKernel(graph, node)) {
        List<Value> inputs = rewriter.now(node.inputs());
        rewriter.replace(node.result(0), product.decompose(rewriter, inputs));
      } else {
        rewriter.keep(node);
      }
    }
    return rewriter.finish();
  }

  private static boolean hasKernel(Graph graph, Node node) {
    List<TensorSpec> inputs = node.inputs().stream().map(Value::spec).toList();
    return TensorAccess.hasKernel(graph.device(), node.op(), inputs);
  }
}
