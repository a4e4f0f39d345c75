package io.quern.graph;

import io.quern.DType;
import io.quern.op.Conv2d;
import io.quern.op.Epilogue;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Applies elementwise functions to the result of a product while it is in the cache. */
final class FuseEpilogues {
  private final Map<Value, Integer> uses;

  private FuseEpilogues(Graph graph) {
    this.uses = graph.uses();
  }

  static Graph apply(Graph graph) {
    FuseEpilogues fuse = new FuseEpilogues(graph);
    Rewriter rewriter = new Rewriter(graph);
    Set<Node> taken = new HashSet<>();
    for (Node node : graph.nodes()) {
      Optional<ScalarProgram> program = program(node);
      Optional<Value.Result> product = program.flatMap(p -> fuse.product(node, taken));
      if (product.isPresent()) {
        taken.add(product.get().node());
        fuse.replace(node, program.get(), product.get(), rewriter);
      } else {
        rewriter.keep(node);
      }
    }
    return DeadCode.apply(rewriter.finish());
  }

  /** A chain of F32, or what does not change when results are rounded to BF16 after it. */
  private static Optional<ScalarProgram> program(Node node) {
    boolean isBrainRelu =
        node.outputs().getFirst().dtype() == DType.BF16
            && node.op() instanceof Unary(Unary.Fn fn)
            && fn == Unary.Fn.RELU
            && node.inputs().getFirst() instanceof Value.Result(Node producer, int _)
            && producer.op() instanceof Conv2d;
    return isBrainRelu ? Optional.of(ScalarProgram.RELU) : FuseElementwise.program(node);
  }

  /** The product among the inputs of a chain that nobody else uses and that has its shape. */
  private Optional<Value.Result> product(Node chain, Set<Node> taken) {
    for (Value input : chain.inputs()) {
      if (input instanceof Value.Result(Node producer, int index)
          && (producer.op() instanceof MatMul || producer.op() instanceof Conv2d)
          && !taken.contains(producer)
          && input.spec().equals(chain.outputs().getFirst())
          && uses.get(input) == Collections.frequency(chain.inputs(), input)) {
        return Optional.of(producer.result(index));
      }
    }
    return Optional.empty();
  }

  private void replace(Node chain, ScalarProgram program, Value.Result product, Rewriter rewriter) {
    List<Value> operands = rewriter.now(product.node().inputs());
    List<Value> inputs = new ArrayList<>(operands);
    int[] order = new int[chain.inputs().size()];
    int next = 1;
    for (int i = 0; i < order.length; i++) {
      boolean isProduct = chain.inputs().get(i).equals(product);
      order[i] = isProduct ? 0 : next++;
      if (!isProduct) {
        inputs.add(rewriter.now(chain.inputs().get(i)));
      }
    }
    Op op = new Epilogue(product.node().op(), operands.size(), program.withInputs(order, next));
    rewriter.keep(chain, op, inputs);
  }
}
