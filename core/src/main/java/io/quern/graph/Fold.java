package io.quern.graph;

import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.TensorScope;
import io.quern.backend.Buffer;
import io.quern.grad.Tape;
import io.quern.op.Fill;
import io.quern.op.Iota;
import io.quern.op.View;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Computes what follows from captured tensors alone. Whoever runs the result must compute it anew
 * when one of them has changed; those that change in each run are left alone. Constants made of
 * numbers stay what they are, since other ops take them in.
 */
final class Fold {
  private Fold() {}

  static Graph apply(Graph graph) {
    Set<Buffer> written = new HashSet<>();
    graph.writes().forEach(write -> written.add(TensorAccess.buffer(write.target().tensor())));
    Rewriter rewriter = new Rewriter(graph);
    for (Node node : graph.nodes()) {
      boolean constant =
          !(node.op() instanceof View)
              && !(node.op() instanceof Fill)
              && (!node.inputs().isEmpty() || node.op() instanceof Iota)
              && node.outputs().size() == 1
              && rewriter.now(node.inputs()).stream().allMatch(value -> isFixed(value, written));
      if (constant) {
        rewriter.replace(node.result(0), compute(node, rewriter));
      } else {
        rewriter.keep(node);
      }
    }
    return rewriter.finish();
  }

  private static boolean isFixed(Value value, Set<Buffer> written) {
    return switch (value) {
      case Value.Captured captured ->
          !captured.isChanging() && !written.contains(TensorAccess.buffer(captured.tensor()));
      case Value.Result(Node node, int _) ->
          node.op() instanceof Fill
              || (node.op() instanceof View && isFixed(node.inputs().getFirst(), written));
      case Value.Input _, Value.Host _ -> false;
    };
  }

  private static Value compute(Node node, Rewriter rewriter) {
    return Tape.withoutRecording(
        () -> {
          try (TensorScope _ = TensorScope.open("constant folding")) {
            Tensor[] inputs =
                rewriter.now(node.inputs()).stream()
                    .map(value -> evaluate(value, rewriter))
                    .toArray(Tensor[]::new);
            Tensor result = Tensor.apply(node.op(), rewriter.device(), inputs);
            List<Tensor> sources = new ArrayList<>();
            rewriter.now(node.inputs()).forEach(value -> addSources(value, sources));
            return Value.Captured.computed(TensorAccess.share(result), sources);
          }
        });
  }

  private static void addSources(Value value, List<Tensor> sources) {
    switch (value) {
      case Value.Captured captured when captured.sources().isEmpty() ->
          sources.add(captured.tensor());
      case Value.Captured captured -> sources.addAll(captured.sources());
      case Value.Result(Node node, int _) ->
          node.inputs().forEach(input -> addSources(input, sources));
      case Value.Input _, Value.Host _ -> {}
    }
  }

  private static Tensor evaluate(Value value, Rewriter rewriter) {
    return switch (value) {
      case Value.Captured captured -> captured.tensor();
      case Value.Result(Node node, int _) ->
          Tensor.apply(
              node.op(),
              rewriter.device(),
              node.inputs().stream()
                  .map(input -> evaluate(input, rewriter))
                  .toArray(Tensor[]::new));
      case Value.Input _, Value.Host _ ->
          throw new IllegalStateException("graph: " + value + " is not a constant");
    };
  }
}
