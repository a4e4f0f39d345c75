package io.quern.graph;

import io.quern.TensorAccess;
import io.quern.op.BlockMatMul;
import io.quern.op.Composite;
import io.quern.op.Op;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
import io.quern.op.TensorSpec;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Takes ops on packed or quantised values apart where their device has no kernel, so that weights
 * that are constants are unpacked once, not in each run, and what is elementwise can be fused.
 */
final class Unpack {
  private Unpack() {}

  static Graph apply(Graph graph) {
    Rewriter rewriter = new Rewriter(graph);
    for (Node node : graph.nodes()) {
      Composite packed = packed(node.op());
      if (packed != null && !hasKernel(graph, node)) {
        List<Value> inputs = rewriter.now(node.inputs());
        rewriter.replace(node.result(0), packed.decompose(rewriter, inputs));
      } else {
        rewriter.keep(node);
      }
    }
    return rewriter.finish();
  }

  private static @Nullable Composite packed(Op op) {
    return switch (op) {
      case BlockMatMul product -> product;
      case QuantizedConv2d conv -> conv;
      case QuantizedAdd sum -> sum;
      default -> null;
    };
  }

  private static boolean hasKernel(Graph graph, Node node) {
    List<TensorSpec> inputs = node.inputs().stream().map(Value::spec).toList();
    return TensorAccess.hasKernel(graph.device(), node.op(), inputs);
  }
}
