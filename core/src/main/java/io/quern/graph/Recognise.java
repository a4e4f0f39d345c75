package io.quern.graph;

import io.quern.Shape;
import io.quern.op.Attention;
import io.quern.op.Binary;
import io.quern.op.Conv2d;
import io.quern.op.LayerNorm;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.Reduce;
import io.quern.op.Softmax;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import io.quern.op.View;
import io.quern.runtime.Knob;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Finds layer norm, softmax, GELU and attention in the pieces in which exporters write them, and
 * takes constant factors and shifts of channels into the convolution before them.
 *
 * <p>Unlike a {@link Pass} it changes how results round, and a query of an attention all of whose
 * scores are -infinity gets 0 where the pieces give NaN: it is for imported models, which promise
 * no bits.
 */
public final class Recognise {
  private static final Knob ON =
      Knob.of("quern.recognise", "on", "off: run imported models op by op, as they are written");

  /** Products within products that are looked through. */
  private static final int DEEPEST = 3;

  private final Rewriter rewriter;
  private final Map<Value, Integer> uses;

  private Recognise(Graph graph) {
    this.rewriter = new Rewriter(graph);
    this.uses = graph.uses();
  }

  /** The graph in terms of what its pieces are. */
  public static Graph apply(Graph graph) {
    if (!ON.isOn()) {
      return graph;
    }
    Graph simple = DeadCode.apply(CommonSubexpressions.apply(Fold.apply(Simplify.apply(graph))));
    Recognise recognise = new Recognise(simple);
    for (Node node : simple.nodes()) {
      Optional<Value> whole = recognise.whole(node);
      if (whole.isPresent() && whole.get().spec().equals(node.outputs().getFirst())) {
        recognise.rewriter.replace(node.result(0), whole.get());
      } else {
        recognise.rewriter.keep(node);
      }
    }
    return DeadCode.apply(Fold.apply(DeadCode.apply(recognise.rewriter.finish())));
  }

  /** What a node completes. */
  private Optional<Value> whole(Node node) {
    List<Value> inputs = rewriter.now(node.inputs());
    return switch (node.op()) {
      case Binary(Binary.Fn fn) when node.outputs().getFirst().dtype().isFloat() ->
          switch (fn) {
            case ADD -> shiftedConv(node, inputs).or(() -> layerNorm(inputs.get(0), inputs.get(1)));
            case MUL -> scaledConv(node, inputs).or(() -> gelu(inputs));
            case DIV -> softmax(inputs.get(0), inputs.get(1));
            default -> Optional.empty();
          };
      case MatMul _ -> attention(node, inputs.get(0), inputs.get(1));
      default -> Optional.empty();
    };
  }

  private static boolean isSum(Reduce reduce, Reduce.Fn fn) {
    return reduce.fn() == fn && reduce.keepDims();
  }

  // ---- layer norm --------------------------------------------------------------------------

  private Optional<Value> layerNorm(Value left, Value right) {
    return layerNorm(Made.by(left, Binary.Fn.MUL), right)
        .or(() -> layerNorm(Made.by(right, Binary.Fn.MUL), left));
  }

  private Optional<Value> layerNorm(@Nullable Node scaled, Value beta) {
    for (int i = 0; scaled != null && i < 2; i++) {
      Value gamma = scaled.inputs().get(1 - i);
      Normal normal = Normal.of(scaled.inputs().get(i));
      if (normal != null
          && gamma.spec().shape().equals(normal.tail())
          && beta.spec().shape().equals(normal.tail())) {
        LayerNorm op = new LayerNorm(normal.dims, normal.epsilon);
        return Optional.of(rewriter.apply(op, List.of(normal.x, gamma, beta)));
      }
    }
    return Optional.empty();
  }

  /** Values brought to mean 0 and variance 1 over the last dimensions. */
  private record Normal(Value x, int dims, double epsilon) {
    Shape tail() {
      Shape shape = x.spec().shape();
      return shape.slice(shape.rank() - dims, shape.rank());
    }

    static @Nullable Normal of(Value value) {
      Node quotient = Made.by(value, Binary.Fn.DIV);
      if (quotient != null) {
        return of(quotient.inputs().get(0), Made.by(quotient.inputs().get(1), Unary.Fn.SQRT));
      }
      Node product = Made.by(value, Binary.Fn.MUL);
      for (int i = 0; product != null && i < 2; i++) {
        Normal normal = of(product.inputs().get(i), underRoot(product.inputs().get(1 - i)));
        if (normal != null) {
          return normal;
        }
      }
      return null;
    }

    private static @Nullable Value underRoot(Value inverse) {
      Value root = Made.by(inverse, Unary.Fn.RECIPROCAL);
      return root == null ? Made.by(inverse, Unary.Fn.RSQRT) : Made.by(root, Unary.Fn.SQRT);
    }

    private static @Nullable Normal of(Value centred, @Nullable Value variance) {
      Node difference = Made.by(centred, Binary.Fn.SUB);
      Node sum = variance == null ? null : Made.by(variance, Binary.Fn.ADD);
      if (difference == null || sum == null) {
        return null;
      }
      Value x = difference.inputs().getFirst();
      int dims = meanOver(difference.inputs().get(1), x);
      for (int i = 0; dims > 0 && i < 2; i++) {
        var epsilon = Made.number(sum.inputs().get(i));
        if (epsilon.isPresent() && isVariance(sum.inputs().get(1 - i), centred, dims)) {
          return new Normal(x, dims, epsilon.getAsDouble());
        }
      }
      return null;
    }

    private static boolean isVariance(Value value, Value centred, int dims) {
      Value squares = averaged(value, dims);
      if (squares == null) {
        return false;
      }
      Node product = Made.by(squares, Binary.Fn.MUL);
      return centred.equals(Made.by(squares, Unary.Fn.SQUARE))
          || (product != null && product.inputs().equals(List.of(centred, centred)));
    }

    /** Over how many of the last dimensions a value is the mean of x, or 0. */
    private static int meanOver(Value value, Value x) {
      for (int dims = 1; dims <= x.spec().shape().rank(); dims++) {
        if (x.equals(averaged(value, dims))) {
          return dims;
        }
      }
      return 0;
    }

    /** What a value is the mean of over the last dimensions, or null. */
    private static @Nullable Value averaged(Value value, int dims) {
      Made.Scaled scaled = Made.Scaled.of(value);
      Node sum = Made.by(scaled.value(), Reduce.class);
      if (sum == null || !isSum((Reduce) sum.op(), Reduce.Fn.SUM)) {
        return null;
      }
      Value x = sum.inputs().getFirst();
      Shape shape = x.spec().shape();
      int rank = shape.rank();
      List<Integer> axes = new ArrayList<>();
      for (int axis = rank - dims; axis < rank; axis++) {
        axes.add(axis);
      }
      return axes.equals(((Reduce) sum.op()).axes().stream().sorted().toList())
              && Made.isAbout(scaled.factor() * shape.slice(rank - dims, rank).size(), 1)
          ? x
          : null;
    }
  }

  // ---- softmax, GELU -----------------------------------------------------------------------

  /** {@code exp(x - max) / sum(exp(x - max))}. */
  private Optional<Value> softmax(Value powers, Value total) {
    Value shifted = Made.by(powers, Unary.Fn.EXP);
    Node difference = shifted == null ? null : Made.by(shifted, Binary.Fn.SUB);
    Node sum = Made.by(total, Reduce.class);
    Node max = difference == null ? null : Made.by(difference.inputs().get(1), Reduce.class);
    if (difference == null || sum == null || max == null) {
      return Optional.empty();
    }
    Value x = difference.inputs().getFirst();
    Reduce summing = (Reduce) sum.op();
    Reduce most = (Reduce) max.op();
    return summing.axes().size() == 1
            && summing.axes().equals(most.axes())
            && isSum(summing, Reduce.Fn.SUM)
            && isSum(most, Reduce.Fn.MAX)
            && sum.inputs().getFirst().equals(powers)
            && max.inputs().getFirst().equals(x)
        ? Optional.of(rewriter.apply(new Softmax(summing.axes().getFirst()), List.of(x)))
        : Optional.empty();
  }

  /** {@code x / 2 * (1 + erf(x / sqrt(2)))}, the factors in any order. */
  private Optional<Value> gelu(List<Value> factors) {
    for (Value start : factors) {
      Value x = ofErf(start, DEEPEST);
      if (x != null) {
        Factors all = new Factors(x);
        factors.forEach(factor -> all.add(factor, DEEPEST));
        return all.others.size() == 1
                && all.ofX == 1
                && x.equals(ofErf(all.others.getFirst(), 0))
                && Made.isAbout(all.number, 0.5)
            ? Optional.of(rewriter.apply(new Unary(Unary.Fn.GELU), List.of(x)))
            : Optional.empty();
      }
    }
    return Optional.empty();
  }

  /** The x of the factor {@code 1 + erf(x / sqrt(2))} within a product, or null. */
  private static @Nullable Value ofErf(Value value, int depth) {
    Node sum = Made.by(value, Binary.Fn.ADD);
    for (int i = 0; sum != null && i < 2; i++) {
      Value argument = Made.by(sum.inputs().get(i), Unary.Fn.ERF);
      if (argument != null && Made.isNumber(sum.inputs().get(1 - i), 1)) {
        Made.Scaled scaled = Made.Scaled.of(argument);
        return Made.isAbout(scaled.factor(), Math.sqrt(0.5)) ? scaled.value() : null;
      }
    }
    Node product = Made.by(value, Binary.Fn.MUL);
    for (int i = 0; product != null && depth > 0 && i < 2; i++) {
      Value x = ofErf(product.inputs().get(i), depth - 1);
      if (x != null) {
        return x;
      }
    }
    return null;
  }

  /** A product taken apart, but for one value. */
  private static final class Factors {
    private final Value x;
    private final List<Value> others = new ArrayList<>();
    private double number = 1;
    private int ofX;

    Factors(Value x) {
      this.x = x;
    }

    void add(Value value, int depth) {
      Node product = Made.by(value, Binary.Fn.MUL);
      Node quotient = Made.by(value, Binary.Fn.DIV);
      if (value.equals(x)) {
        ofX++;
      } else if (Made.number(value).isPresent()) {
        number *= Made.number(value).getAsDouble();
      } else if (product != null && depth > 0) {
        product.inputs().forEach(factor -> add(factor, depth - 1));
      } else if (quotient != null && Made.number(quotient.inputs().get(1)).isPresent()) {
        number /= Made.number(quotient.inputs().get(1)).getAsDouble();
        add(quotient.inputs().getFirst(), depth);
      } else {
        others.add(value);
      }
    }
  }

  // ---- attention ---------------------------------------------------------------------------

  /** {@code softmax(scale q k^T + mask) v}, where nobody else reads the weights. */
  private Optional<Value> attention(Node node, Value weights, Value v) {
    Node softmax = Made.by(weights, Softmax.class);
    Shape shape = weights.spec().shape();
    if (softmax == null
        || shape.axis(((Softmax) softmax.op()).axis()) != shape.rank() - 1
        || !Integer.valueOf(1).equals(uses.get(node.inputs().getFirst()))) {
      return Optional.empty();
    }
    Value scores = softmax.inputs().getFirst();
    Optional<Value> found = attention(scores, null, v);
    Node sum = found.isPresent() ? null : Made.by(scores, Binary.Fn.ADD);
    for (int i = 0; sum != null && found.isEmpty() && i < 2; i++) {
      found = attention(sum.inputs().get(i), sum.inputs().get(1 - i), v);
    }
    return found;
  }

  private Optional<Value> attention(Value scores, @Nullable Value mask, Value v) {
    Made.Scaled scaled = Made.Scaled.of(scores);
    Node product = Made.by(scaled.value(), MatMul.class);
    if (product == null) {
      return Optional.empty();
    }
    Made.Scaled q = Made.Scaled.of(product.inputs().get(0));
    Made.Scaled k = Made.Scaled.of(product.inputs().get(1));
    TensorSpec plain = product.outputs().getFirst();
    if (!haveSameHeads(q.value(), k.value(), v) || (mask != null && !isMask(mask, plain))) {
      return Optional.empty();
    }
    Op op = new Attention(scaled.factor() * q.factor() * k.factor(), false);
    List<Value> inputs = new ArrayList<>(List.of(q.value(), transposed(k.value()), v));
    if (mask != null) {
      inputs.add(mask);
    }
    return Optional.of(rewriter.apply(op, inputs));
  }

  private static boolean haveSameHeads(Value q, Value transposedK, Value v) {
    Shape shape = q.spec().shape();
    Shape k = transposedK.spec().shape();
    int rank = shape.rank();
    return rank >= 3
        && k.rank() == rank
        && v.spec().shape().rank() == rank
        && k.dim(-1) > 0
        && shape.slice(0, rank - 2).equals(k.slice(0, rank - 2))
        && shape.slice(0, rank - 2).equals(v.spec().shape().slice(0, rank - 2));
  }

  /** Whether a value broadcasts to the scores and does not make them larger. */
  private static boolean isMask(Value mask, TensorSpec scores) {
    Shape shape = mask.spec().shape();
    int lead = scores.shape().rank() - shape.rank();
    boolean fits = lead >= 0;
    for (int d = 0; fits && d < shape.rank(); d++) {
      fits = shape.dim(d) == 1 || shape.dim(d) == scores.shape().dim(d + lead);
    }
    return fits;
  }

  private Value transposed(Value matrices) {
    return rewriter.apply(
        View.Permute.transposing(matrices.spec().shape().rank()), List.of(matrices));
  }

  // ---- convolutions ------------------------------------------------------------------------

  /** {@code conv(x, w, b) * f = conv(x, w f, b f)}. */
  private Optional<Value> scaledConv(Node node, List<Value> inputs) {
    Binary mul = new Binary(Binary.Fn.MUL);
    return Channels.of(node, inputs, uses)
        .map(
            found -> {
              long channels = found.constant.spec().shape().size();
              Value perFilter = reshaped(found.constant, Shape.of(channels, 1, 1, 1));
              List<Value> operands = new ArrayList<>(found.conv.inputs());
              operands.set(1, rewriter.apply(mul, operands.get(1), perFilter));
              if (operands.size() > 2) {
                Value factor = reshaped(found.constant, Shape.of(channels));
                operands.set(2, rewriter.apply(mul, operands.get(2), factor));
              }
              return rewriter.apply(found.conv.op(), operands);
            });
  }

  /** {@code conv(x, w, b) + s = conv(x, w, b + s)}. */
  private Optional<Value> shiftedConv(Node node, List<Value> inputs) {
    return Channels.of(node, inputs, uses)
        .map(
            found -> {
              Value shift =
                  reshaped(found.constant, Shape.of(found.constant.spec().shape().size()));
              List<Value> operands = new ArrayList<>(found.conv.inputs());
              if (operands.size() > 2) {
                Binary add = new Binary(Binary.Fn.ADD);
                operands.set(2, rewriter.apply(add, operands.get(2), shift));
              } else {
                operands.add(shift);
              }
              return rewriter.apply(found.conv.op(), operands);
            });
  }

  private Value reshaped(Value value, Shape shape) {
    return rewriter.apply(new View.Reshape(shape), List.of(value));
  }

  /** A convolution with constant weights, and a constant for each of its channels. */
  private record Channels(Node conv, Value constant) {
    static Optional<Channels> of(Node node, List<Value> inputs, Map<Value, Integer> uses) {
      for (int i = 0; i < 2; i++) {
        Node conv = Made.by(inputs.get(i), Conv2d.class);
        Value constant = inputs.get(1 - i);
        if (conv != null
            && Integer.valueOf(1).equals(uses.get(node.inputs().get(i)))
            && conv.inputs().stream().skip(1).allMatch(Made::isFixed)
            && Made.isFixed(constant)
            && isPerChannel(constant.spec().shape(), conv.outputs().getFirst().shape())) {
          return Optional.of(new Channels(conv, constant));
        }
      }
      return Optional.empty();
    }

    private static boolean isPerChannel(Shape constant, Shape output) {
      int axis = constant.rank() - 3;
      return axis >= 0
          && constant.rank() <= output.rank()
          && constant.dim(axis) == output.dim(1)
          && constant.size() == output.dim(1);
    }
  }
}
