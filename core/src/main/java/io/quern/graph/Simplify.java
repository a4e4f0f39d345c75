package io.quern.graph;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Fill;
import io.quern.op.IntegerMatMul;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Removes ops that change nothing and joins views. Only rewritings that keep every bit: {@code x +
 * 0} stays, since it turns -0 into 0.
 */
final class Simplify {
  private final Rewriter rewriter;
  private final Map<Value, Integer> uses;

  private Simplify(Graph graph) {
    this.rewriter = new Rewriter(graph);
    this.uses = graph.uses();
  }

  static Graph apply(Graph graph) {
    Simplify simplify = new Simplify(graph);
    for (Node node : graph.nodes()) {
      Optional<Value> replacement = simplify.replacement(node);
      if (replacement.isPresent()) {
        simplify.rewriter.replace(node.result(0), replacement.get());
      } else if (node.op() instanceof Binary) {
        simplify.rewriter.keep(node, node.op(), simplify.withoutExpansion(node));
      } else {
        simplify.rewriter.keep(node);
      }
    }
    return simplify.rewriter.finish();
  }

  /** The value that {@code node} gives in other words, if there are any. */
  private Optional<Value> replacement(Node node) {
    List<Value> inputs = rewriter.now(node.inputs());
    return switch (node.op()) {
      case Cast cast when cast.dtype() == inputs.getFirst().spec().dtype() ->
          Optional.of(inputs.getFirst());
      case Cast cast when cast.dtype() == DType.F32 -> floatProduct(node, inputs.getFirst());
      case View view -> {
        Optional<Value> product = transposedProduct(node, view, inputs.getFirst());
        yield product.isPresent() ? product : view(node, view, inputs.getFirst());
      }
      case Binary(Binary.Fn fn) when fn == Binary.Fn.GATE ->
          gatedPool(node, inputs.get(0), inputs.get(1));
      case Binary(Binary.Fn fn) -> binary(node, fn, inputs.get(0), inputs.get(1));
      default -> Optional.empty();
    };
  }

  /** A product of bytes whose only use is as floats. */
  private Optional<Value> floatProduct(Node node, Value input) {
    return input instanceof Value.Result(Node before, int _)
            && before.op() instanceof IntegerMatMul
            && Integer.valueOf(1).equals(uses.get(node.inputs().getFirst()))
        ? Optional.of(rewriter.apply(new IntegerMatMul(DType.F32), before.inputs()))
        : Optional.empty();
  }

  private Optional<Value> view(Node node, View view, Value input) {
    Shape shape = node.outputs().getFirst().shape();
    boolean nothing =
        switch (view) {
          case View.Reshape _, View.Expand _ -> shape.equals(input.spec().shape());
          case View.Permute(List<Integer> axes) -> isIdentity(axes);
          case View.Slice slice -> slice.step() == 1 && shape.equals(input.spec().shape());
          case View.Flip flip -> shape.dim(flip.axis()) == 1;
        };
    if (nothing) {
      return Optional.of(input);
    }
    if (input instanceof Value.Result(Node before, int _)) {
      Value source = before.inputs().isEmpty() ? input : before.inputs().getFirst();
      if (view instanceof View.Reshape && before.op() instanceof View.Reshape) {
        return Optional.of(apply(view, source));
      }
      if (view instanceof View.Permute(List<Integer> outer)
          && before.op() instanceof View.Permute(List<Integer> inner)) {
        return Optional.of(apply(join(outer, inner), source));
      }
      if (view instanceof View.Expand && before.op() instanceof Fill fill) {
        return Optional.of(
            rewriter.apply(new Fill(fill.spec().with(shape), fill.value()), List.of()));
      }
    }
    return Optional.empty();
  }

  /** {@code (A B)^T = B^T A^T}, whose sums run over the same products in the same order. */
  private Optional<Value> transposedProduct(Node node, View view, Value input) {
    if (!(input instanceof Value.Result(Node before, int _)
            && before.op() instanceof MatMul
            && view.equals(View.Permute.transposing(input.spec().shape().rank())))
        || !Integer.valueOf(1).equals(uses.get(node.inputs().getFirst()))) {
      return Optional.empty();
    }
    return Optional.of(
        rewriter.apply(
            new MatMul(),
            List.of(transposed(before.inputs().get(1)), transposed(before.inputs().get(0)))));
  }

  private Value transposed(Value matrix) {
    View permute = View.Permute.transposing(matrix.spec().shape().rank());
    if (matrix instanceof Value.Result(Node before, int _) && before.op().equals(permute)) {
      return before.inputs().getFirst();
    }
    return rewriter.apply(permute, List.of(matrix));
  }

  private Value apply(View view, Value source) {
    boolean nothing =
        view.infer(source.spec().shape()).equals(source.spec().shape())
            && (view instanceof View.Reshape
                || (view instanceof View.Permute(List<Integer> axes) && isIdentity(axes)));
    return nothing ? source : rewriter.apply(view, List.of(source));
  }

  private static View.Permute join(List<Integer> outer, List<Integer> inner) {
    List<Integer> joined = new ArrayList<>();
    for (int axis : outer) {
      joined.add(inner.get(axis));
    }
    return new View.Permute(joined);
  }

  private static boolean isIdentity(List<Integer> axes) {
    for (int d = 0; d < axes.size(); d++) {
      if (axes.get(d) != d) {
        return false;
      }
    }
    return true;
  }

  /**
   * A gradient that passes to positive maxima only: the gate is moved in front of the pooling,
   * where there are fewer elements, since the result of the pooling is positive where its maximum
   * is.
   */
  private Optional<Value> gatedPool(Node node, Value gradient, Value image) {
    if (!(gradient instanceof Value.Result(Node before, int _)
            && before.op() instanceof Pool2dGrad(Pool2d pool)
            && pool.fn() == Pool2d.Fn.MAX
            && before.inputs().getFirst().equals(image))
        || !Integer.valueOf(1).equals(uses.get(node.inputs().getFirst()))) {
      return Optional.empty();
    }
    return rewriter
        .find(pool, List.of(image))
        .map(pooled -> rewriter.apply(node.op(), List.of(before.inputs().get(1), pooled)))
        .map(gated -> rewriter.apply(before.op(), List.of(image, gated)));
  }

  private static Optional<Value> binary(Node node, Binary.Fn fn, Value x, Value y) {
    Shape shape = node.outputs().getFirst().shape();
    boolean keepsX = x.spec().shape().equals(shape);
    boolean keepsY = y.spec().shape().equals(shape);
    boolean isFloat = x.spec().dtype().isFloat();
    return switch (fn) {
      case MUL -> {
        if (isFloat && keepsX && isFilledWith(y, 1)) {
          yield Optional.of(x);
        }
        yield isFloat && keepsY && isFilledWith(x, 1) ? Optional.of(y) : Optional.empty();
      }
      case DIV -> isFloat && keepsX && isFilledWith(y, 1) ? Optional.of(x) : Optional.empty();
      default -> Optional.empty();
    };
  }

  private static boolean isFilledWith(Value value, double number) {
    return value instanceof Value.Result(Node node, int _)
        && node.op() instanceof Fill fill
        && fill.value() == number;
  }

  /** The inputs of a binary op before their expansion, where it broadcasts them itself. */
  private List<Value> withoutExpansion(Node node) {
    List<Value> inputs = new ArrayList<>(rewriter.now(node.inputs()));
    for (int i = 0; i < inputs.size(); i++) {
      if (inputs.get(i) instanceof Value.Result(Node before, int _)
          && before.op() instanceof View.Expand) {
        Value wide = inputs.set(i, before.inputs().getFirst());
        if (!infers(node.op(), inputs, node)) {
          inputs.set(i, wide);
        }
      }
    }
    return inputs;
  }

  private static boolean infers(Op op, List<Value> inputs, Node node) {
    return op.infer(inputs.stream().map(Value::spec).toList()).equals(node.outputs());
  }
}
