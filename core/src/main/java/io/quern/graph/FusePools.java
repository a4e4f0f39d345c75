package io.quern.graph;

import io.quern.op.Conv2d;
import io.quern.op.Epilogue;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.PooledConv2d;
import java.util.Map;

/** Takes the maxima of convolutions whose results nobody else uses while they are in the cache. */
final class FusePools {
  private final Map<Value, Integer> uses;
  private final Rewriter rewriter;

  private FusePools(Graph graph) {
    this.uses = graph.uses();
    this.rewriter = new Rewriter(graph);
  }

  static Graph apply(Graph graph) {
    FusePools fuse = new FusePools(graph);
    graph.nodes().forEach(fuse::add);
    return DeadCode.apply(fuse.rewriter.finish());
  }

  private void add(Node node) {
    if (node.op() instanceof Pool2d pool
        && pool.fn() == Pool2d.Fn.MAX
        && node.inputs().getFirst() instanceof Value.Result image
        && uses.get(image) == 1
        && isConvolution(image.node().op())) {
      Op op = new PooledConv2d(image.node().op(), pool);
      rewriter.keep(node, op, rewriter.now(image.node().inputs()));
    } else {
      rewriter.keep(node);
    }
  }

  private static boolean isConvolution(Op op) {
    return op instanceof Conv2d
        || (op instanceof Epilogue epilogue && epilogue.product() instanceof Conv2d);
  }
}
