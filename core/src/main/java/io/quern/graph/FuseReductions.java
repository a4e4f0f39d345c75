package io.quern.graph;

import io.quern.op.FusedReduce;
import io.quern.op.Op;
import io.quern.op.Reduce;
import io.quern.op.ScalarProgram;
import java.util.Map;
import java.util.Optional;

/** Folds the results of elementwise functions that nobody else uses as they are computed. */
final class FuseReductions {
  private final Map<Value, Integer> uses;
  private final Rewriter rewriter;

  private FuseReductions(Graph graph) {
    this.uses = graph.uses();
    this.rewriter = new Rewriter(graph);
  }

  static Graph apply(Graph graph) {
    FuseReductions fuse = new FuseReductions(graph);
    graph.nodes().forEach(fuse::add);
    return DeadCode.apply(fuse.rewriter.finish());
  }

  private void add(Node node) {
    if (node.op() instanceof Reduce reduce
        && node.inputs().getFirst() instanceof Value.Result chain
        && uses.get(chain) == 1) {
      Optional<ScalarProgram> program = FuseElementwise.program(chain.node());
      if (program.isPresent()) {
        Op op = new FusedReduce(program.get(), reduce);
        rewriter.keep(node, op, rewriter.now(chain.node().inputs()));
        return;
      }
    }
    rewriter.keep(node);
  }
}
