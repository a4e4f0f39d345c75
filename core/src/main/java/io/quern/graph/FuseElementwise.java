package io.quern.graph;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.Fill;
import io.quern.op.Fused;
import io.quern.op.Op;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Turns elementwise functions of F32 into one {@link Fused} op where a result has the shape of what
 * uses it and nobody else uses it. Numbers become literals of the program.
 */
final class FuseElementwise {
  /** More inputs or steps than these spill registers without saving memory traffic. */
  private static final int MOST_INPUTS = 12;

  private static final int MOST_STEPS = 48;

  private final Graph graph;
  private final Map<Value, Integer> uses;
  private final Map<Node, Node> rootOf = new HashMap<>();
  private final Map<Node, Integer> position = new HashMap<>();
  private final Map<Node, List<Node>> members = new HashMap<>();

  private FuseElementwise(Graph graph) {
    this.graph = graph;
    this.uses = graph.uses();
    for (Node node : graph.nodes()) {
      position.put(node, position.size());
    }
  }

  static Graph apply(Graph graph) {
    FuseElementwise fuse = new FuseElementwise(graph);
    for (int i = graph.nodes().size() - 1; i >= 0; i--) {
      Node node = graph.nodes().get(i);
      if (isElementwise(node) && !fuse.rootOf.containsKey(node)) {
        fuse.collect(node);
      }
    }
    return fuse.rewrite();
  }

  /** What an elementwise node computes; vector functions of F32 only. */
  static Optional<ScalarProgram> program(Node node) {
    if (node.outputs().getFirst().dtype() != DType.F32) {
      return Optional.empty();
    }
    return switch (node.op()) {
      case Fused(ScalarProgram program) -> Optional.of(program);
      case Unary(Unary.Fn fn) ->
          Optional.of(new ScalarProgram(1, List.of(new ScalarProgram.Apply1(fn, 0))));
      case Binary(Binary.Fn fn) when fn != Binary.Fn.POW ->
          Optional.of(new ScalarProgram(2, List.of(new ScalarProgram.Apply2(fn, 0, 1))));
      default -> Optional.empty();
    };
  }

  private static boolean isElementwise(Node node) {
    boolean function =
        node.op() instanceof Unary
            || (node.op() instanceof Binary(Binary.Fn fn) && fn != Binary.Fn.POW);
    return function && node.outputs().getFirst().dtype() == DType.F32;
  }

  /** Finds the ops that end in {@code root} alone, users before producers. */
  private void collect(Node root) {
    Shape shape = root.outputs().getFirst().shape();
    List<Node> group = new ArrayList<>(List.of(root));
    rootOf.put(root, root);
    Map<Value, Integer> inside = new HashMap<>();
    countUses(root, inside);
    boolean grown = true;
    while (grown) {
      grown = false;
      for (Node member : List.copyOf(group)) {
        for (Value input : member.inputs()) {
          if (input instanceof Value.Result(Node producer, int _)
              && isElementwise(producer)
              && !rootOf.containsKey(producer)
              && input.spec().shape().equals(shape)
              && inside.get(input).equals(uses.get(input))
              && group.size() < MOST_STEPS
              && inputsWith(group, producer) <= MOST_INPUTS) {
            group.add(producer);
            rootOf.put(producer, root);
            countUses(producer, inside);
            grown = true;
          }
        }
      }
    }
    members.put(root, group);
  }

  private static void countUses(Node node, Map<Value, Integer> inside) {
    node.inputs().forEach(value -> inside.merge(value, 1, Integer::sum));
  }

  private static int inputsWith(List<Node> group, Node more) {
    Set<Value> inputs = new HashSet<>(more.inputs());
    Set<Value> results = new HashSet<>(Set.of(more.result(0)));
    for (Node node : group) {
      inputs.addAll(node.inputs());
      results.add(node.result(0));
    }
    inputs.removeAll(results);
    inputs.removeIf(FuseElementwise::isNumber);
    return inputs.size();
  }

  private static boolean isNumber(Value value) {
    return value instanceof Value.Result(Node node, int _) && node.op() instanceof Fill;
  }

  private Graph rewrite() {
    Rewriter rewriter = new Rewriter(graph);
    for (Node node : graph.nodes()) {
      Node root = rootOf.get(node);
      if (root == null) {
        rewriter.keep(node);
      } else if (node.equals(root)) {
        fuse(node, members.get(root), rewriter);
      }
    }
    return DeadCode.apply(rewriter.finish());
  }

  private void fuse(Node root, List<Node> group, Rewriter rewriter) {
    group.sort(Comparator.comparing(position::get));
    List<Value> inputs = new ArrayList<>();
    ScalarProgram program = program(group, inputs);
    boolean same = group.size() == 1 && program.steps().size() == 1;
    if (same || inputs.isEmpty() || !gives(root, program, inputs)) {
      group.forEach(rewriter::keep);
    } else {
      rewriter.keep(root, new Fused(program), rewriter.now(inputs));
    }
  }

  /** Whether the inputs broadcast to the shape of the group without its numbers. */
  private static boolean gives(Node root, ScalarProgram program, List<Value> inputs) {
    return new Fused(program)
        .infer(inputs.stream().map(Value::spec).toList())
        .equals(root.outputs());
  }

  /** The code of a group in order; the tensors it reads are added to {@code inputs}. */
  private ScalarProgram program(List<Node> group, List<Value> inputs) {
    Set<Node> inside = new HashSet<>(group);
    for (Node node : group) {
      for (Value input : node.inputs()) {
        boolean internal =
            input instanceof Value.Result(Node producer, int _) && inside.contains(producer);
        if (!internal && !isNumber(input) && !inputs.contains(input)) {
          inputs.add(input);
        }
      }
    }
    Map<Object, Integer> number = new HashMap<>();
    for (int i = 0; i < inputs.size(); i++) {
      number.put(inputs.get(i), i);
    }
    List<ScalarProgram.Step> steps = new ArrayList<>();
    for (Node node : group) {
      int[] operands = new int[node.inputs().size()];
      for (int i = 0; i < operands.length; i++) {
        operands[i] = operand(node.inputs().get(i), number, steps, inputs.size());
      }
      steps.add(step(node.op(), operands));
      number.put(node.result(0), inputs.size() + steps.size() - 1);
    }
    return new ScalarProgram(inputs.size(), steps);
  }

  private static int operand(
      Value value, Map<Object, Integer> number, List<ScalarProgram.Step> steps, int inputs) {
    if (value instanceof Value.Result(Node node, int _) && node.op() instanceof Fill fill) {
      return number.computeIfAbsent(
          fill.value(),
          key -> {
            steps.add(new ScalarProgram.Literal(fill.value()));
            return inputs + steps.size() - 1;
          });
    }
    return number.get(value);
  }

  private static ScalarProgram.Step step(Op op, int[] operands) {
    return switch (op) {
      case Unary(Unary.Fn fn) -> new ScalarProgram.Apply1(fn, operands[0]);
      case Binary(Binary.Fn fn) -> new ScalarProgram.Apply2(fn, operands[0], operands[1]);
      default -> throw new IllegalStateException("fuse: " + op.name() + " is not elementwise");
    };
  }
}
