package io.quern.grad;

import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.AttentionWeights;
import io.quern.op.Binary;
import io.quern.op.BlockMatMul;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Composite;
import io.quern.op.Concat;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Conv3d;
import io.quern.op.ConvTranspose2d;
import io.quern.op.CumSum;
import io.quern.op.Epilogue;
import io.quern.op.Fill;
import io.quern.op.Fused;
import io.quern.op.FusedReduce;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.GroupNorm;
import io.quern.op.IntegerMatMul;
import io.quern.op.Iota;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.PooledConv2d;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
import io.quern.op.Random;
import io.quern.op.Reduce;
import io.quern.op.RmsNorm;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import io.quern.op.Sort;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.op.TopK;
import io.quern.op.Unary;
import io.quern.op.View;
import io.quern.op.Where;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The gradient of every op, in terms of ops. A rule gets the op's inputs, outputs and the gradients
 * of the outputs, and gives one gradient per input; null stands for zero.
 */
final class GradRules {
  private final GradNode node;
  private final List<Tensor> gradients;

  private GradRules(GradNode node, List<Tensor> gradients) {
    this.node = node;
    this.gradients = gradients;
  }

  /** The gradients of a recorded op's inputs, given those of its outputs. */
  static List<@Nullable Tensor> apply(GradNode node, List<Tensor> gradients) {
    return new GradRules(node, gradients).apply();
  }

  private List<@Nullable Tensor> apply() {
    Op op = node.op();
    return switch (op) {
      case View view -> list(view(view));
      case Unary unary -> list(unary(unary.fn()));
      case Binary binary -> binary(binary.fn());
      case Compare _, IntegerMatMul _, QuantizedConv2d _, QuantizedAdd _ -> zeros();
      case ArgReduce _, Fill _, Iota _, Random _ -> zeros();
      case Where _ -> where();
      case Cast _ -> list(x(0).dtype().isFloat() ? g().to(x(0).dtype()) : null);
      case Reduce reduce -> list(reduce(reduce));
      case MatMul _ ->
          pair(
              () -> sumTo(g().matmul(x(1).transpose(-1, -2)), x(0)),
              () -> sumTo(x(0).transpose(-1, -2).matmul(g()), x(1)));
      case Conv2d conv -> conv(conv);
      case ConvTranspose2d conv -> convTranspose(conv);
      case Conv3d conv -> decomposed(conv);
      case BlockMatMul product -> decomposed(product);
      case Conv2dInputGrad(var window, int groups, Shape _) ->
          pair(
              () -> Tensor.apply(new Conv2dWeightGrad(window, groups), g(), x(1)),
              () -> Tensor.apply(new Conv2d(window, groups), g(), x(0)));
      case Conv2dWeightGrad(var window, int groups) ->
          pair(
              () -> Tensor.apply(new Conv2dInputGrad(window, groups, x(0).shape()), g(), x(1)),
              () -> Tensor.apply(new Conv2d(window, groups), x(0), g()));
      case Pool2d pool -> list(Tensor.apply(new Pool2dGrad(pool), x(0), g()));
      case Gather(int axis) ->
          list(Tensor.apply(new GatherGrad(axis, x(0).shape()), x(1), g()), null);
      case GatherGrad(int axis, Shape _) -> list(null, g().gather(axis, x(0)));
      case TakeAlong(int axis) ->
          list(Tensor.apply(new TakeAlongGrad(axis, x(0).shape()), x(1), g()), null);
      case TakeAlongGrad(int axis, Shape _) -> list(null, g().takeAlong(axis, x(0)));
      case CumSum(int axis, boolean exclusive, boolean reverse) ->
          list(Tensor.apply(new CumSum(axis, exclusive, !reverse), g()));
      case Sort sort -> list(picked(sort.axis()));
      case TopK top -> list(picked(top.axis()));
      case Concat(int axis) -> concat(axis);
      case Pad pad -> list(pad(pad));
      case Fused fused -> decomposed(fused);
      case FusedReduce fused -> decomposed(fused);
      case Epilogue epilogue -> decomposed(epilogue);
      case PooledConv2d conv -> decomposed(conv);
      case Softmax(int axis) -> list(Tensor.apply(new SoftmaxGrad(axis, false), y(), g()));
      case LogSoftmax(int axis) -> list(Tensor.apply(new SoftmaxGrad(axis, true), y(), g()));
      case SoftmaxGrad grad -> decomposed(grad);
      case LayerNorm(int dims, double epsilon) ->
          Arrays.asList(Tensor.applyAll(new NormGrad(dims, epsilon, true), x(0), x(1), g()));
      case RmsNorm(int dims, double epsilon) ->
          Arrays.asList(Tensor.applyAll(new NormGrad(dims, epsilon, false), x(0), x(1), g()));
      case GroupNorm norm -> decomposed(norm);
      case AttentionWeights weights -> decomposed(weights);
      case Attention attention -> attention(attention);
      case Pool2dGrad _, AttentionGrad _, NormGrad _, SgdStep _, AdamStep _ ->
          throw new UnsupportedOperationException(
              "backward: " + op.name() + " has no gradient; detach() its inputs");
    };
  }

  private Tensor x(int input) {
    return node.inputs().get(input);
  }

  private Tensor y() {
    return node.outputs().getFirst();
  }

  private Tensor g() {
    return gradients.getFirst();
  }

  private static List<@Nullable Tensor> list(@Nullable Tensor... gradients) {
    return Arrays.asList(gradients);
  }

  private List<@Nullable Tensor> zeros() {
    return Collections.nCopies(node.inputs().size(), null);
  }

  /** Gradients of two inputs, computed only where they are needed. */
  private List<@Nullable Tensor> pair(
      Supplier<@Nullable Tensor> first, Supplier<@Nullable Tensor> second) {
    return list(node.needs(0) ? first.get() : null, node.needs(1) ? second.get() : null);
  }

  /** Undoes broadcasting: sums over the dimensions that {@code input} was expanded along. */
  private static Tensor sumTo(Tensor gradient, Tensor input) {
    Shape target = input.shape();
    if (gradient.shape().equals(target)) {
      return gradient;
    }
    int lead = gradient.rank() - target.rank();
    int[] axes =
        IntStream.range(0, gradient.rank())
            .filter(d -> d < lead || (target.dim(d - lead) == 1 && gradient.dim(d) != 1))
            .toArray();
    return (axes.length == 0 ? gradient : gradient.sumKeep(axes)).reshape(target);
  }

  private Tensor view(View view) {
    return switch (view) {
      case View.Reshape _ -> g().reshape(x(0).shape());
      case View.Permute permute -> Tensor.apply(permute.inverse(), g());
      case View.Expand _ -> sumTo(g(), x(0));
      case View.Flip flip -> Tensor.apply(flip, g());
      case View.Slice slice -> unslice(slice);
    };
  }

  private Tensor unslice(View.Slice slice) {
    Shape shape = x(0).shape();
    int axis = shape.axis(slice.axis());
    if (slice.count() == 0) {
      return x(0).fullLike(0);
    }
    long used = slice.start() + (slice.count() - 1) * slice.step() + 1;
    return Tensor.apply(
        new Pad(
            single(shape.rank(), axis, slice.start()),
            single(shape.rank(), axis, shape.dim(axis) - used),
            single(shape.rank(), axis, slice.step() - 1),
            0),
        g());
  }

  private static List<Long> single(int rank, int axis, long value) {
    List<Long> values = new ArrayList<>(Collections.nCopies(rank, 0L));
    values.set(axis, value);
    return values;
  }

  private @Nullable Tensor unary(Unary.Fn fn) {
    Tensor x = x(0);
    return switch (fn) {
      case NEG -> g().neg();
      case ABS -> g().mul(x.map(Unary.Fn.SIGN));
      case SIGN, FLOOR, CEIL, ROUND, NAN_MASK -> null;
      case SQUARE -> g().mul(x).mul(2);
      case RELU -> Tensor.apply(new Binary(Binary.Fn.GATE), g(), y());
      case SQRT -> g().mul(0.5).div(y());
      case RSQRT -> g().mul(-0.5).mul(y()).mul(y().square());
      case RECIPROCAL -> g().neg().mul(y().square());
      case EXP -> g().mul(y());
      case LOG -> g().div(x);
      case SIN -> g().mul(x.map(Unary.Fn.COS));
      case COS -> g().neg().mul(x.map(Unary.Fn.SIN));
      case TANH -> g().sub(g().mul(y().square()));
      case SIGMOID -> g().mul(y().sub(y().square()));
      case ERF -> g().mul(2 / Math.sqrt(Math.PI)).mul(x.square().neg().exp());
      case GELU -> {
        Tensor cumulative = x.mul(Math.sqrt(0.5)).map(Unary.Fn.ERF).add(1).mul(0.5);
        Tensor density = x.square().mul(-0.5).exp().mul(1 / Math.sqrt(2 * Math.PI));
        yield g().mul(cumulative.add(x.mul(density)));
      }
      case SILU -> {
        Tensor s = x.sigmoid();
        yield g().mul(s).mul(x.sub(x.mul(s)).add(1));
      }
      case SOFTPLUS -> g().mul(x.sigmoid());
      case SOFTSIGN -> g().div(x.abs().add(1).square());
    };
  }

  private List<@Nullable Tensor> binary(Binary.Fn fn) {
    Tensor a = x(0);
    Tensor b = x(1);
    return switch (fn) {
      case ADD -> pair(() -> sumTo(g(), a), () -> sumTo(g(), b));
      case SUB -> pair(() -> sumTo(g(), a), () -> sumTo(g(), b).neg());
      case MUL -> pair(() -> sumTo(g().mul(b), a), () -> sumTo(g().mul(a), b));
      case DIV -> pair(() -> sumTo(g().div(b), a), () -> sumTo(g().mul(y()).div(b), b).neg());
      case POW -> pair(() -> powBase(a, b), () -> powExponent(a, b));
      case MIN -> chosen(a.compare(Compare.Fn.LE, b));
      case MAX -> chosen(a.compare(Compare.Fn.GE, b));
      case GATE -> pair(() -> sumTo(Tensor.apply(new Binary(fn), g(), b), a), () -> null);
    };
  }

  /** Zero for the exponent 0, also at the base 0, where the formula has 0 * infinity. */
  private Tensor powBase(Tensor a, Tensor b) {
    Tensor slope = b.mul(a.pow(b.sub(1)));
    Tensor constant = b.compare(Compare.Fn.EQ, 0);
    return sumTo(g().mul(Tensor.where(constant, b.fullLike(0), slope)), a);
  }

  /** Zero for the base 0 and exponents from 0 on, where the formula has 0 * infinity. */
  private Tensor powExponent(Tensor a, Tensor b) {
    Tensor zero =
        Tensor.apply(
            new Binary(Binary.Fn.MIN), a.compare(Compare.Fn.EQ, 0), b.compare(Compare.Fn.GE, 0));
    return sumTo(g().mul(Tensor.where(zero, a.fullLike(0), y().mul(a.log()))), b);
  }

  /** The gradient goes to the first side where {@code first} holds, else to the second. */
  private List<@Nullable Tensor> chosen(Tensor first) {
    Tensor zero = g().fullLike(0);
    return pair(
        () -> sumTo(Tensor.where(first, g(), zero), x(0)),
        () -> sumTo(Tensor.where(first, zero, g()), x(1)));
  }

  private List<@Nullable Tensor> where() {
    Tensor zero = g().fullLike(0);
    return list(
        null,
        node.needs(1) ? sumTo(Tensor.where(x(0), g(), zero), x(1)) : null,
        node.needs(2) ? sumTo(Tensor.where(x(0), zero, g()), x(2)) : null);
  }

  private Tensor reduce(Reduce reduce) {
    Tensor x = x(0);
    int[] axes = reduce.axes().stream().mapToInt(Integer::intValue).toArray();
    if (axes.length == 0) {
      return g();
    }
    Shape kept = x.shape();
    for (int axis : axes) {
      kept = kept.with(axis, 1);
    }
    Tensor g = g().reshape(kept);
    Tensor y = y().reshape(kept);
    return switch (reduce.fn()) {
      case SUM -> g.expand(x.shape());
      case MAX, MIN -> {
        // Equal extremes share the gradient.
        Tensor extreme = x.eq(y).to(x.dtype());
        yield extreme.mul(g.div(extreme.sumKeep(axes)));
      }
      case PROD -> {
        // The product of the others is y / x, but for elements that are zero.
        Tensor zero = x.compare(Compare.Fn.EQ, 0);
        Tensor zeros = zero.to(x.dtype()).sumKeep(axes);
        Tensor nonZero = Tensor.where(zero, x.fullLike(1), x);
        Tensor product = Tensor.apply(new Reduce(Reduce.Fn.PROD, reduce.axes(), true), nonZero);
        Tensor others =
            Tensor.where(
                zero,
                product.mul(zeros.compare(Compare.Fn.EQ, 1).to(x.dtype())),
                product.mul(zeros.compare(Compare.Fn.EQ, 0).to(x.dtype())).div(nonZero));
        yield g.mul(others);
      }
    };
  }

  private List<@Nullable Tensor> conv(Conv2d conv) {
    Tensor image = x(0);
    Tensor weight = x(1);
    List<@Nullable Tensor> result = new ArrayList<>();
    result.add(
        node.needs(0)
            ? Tensor.apply(
                new Conv2dInputGrad(conv.window(), conv.groups(), image.shape()), weight, g())
            : null);
    result.add(
        node.needs(1)
            ? Tensor.apply(new Conv2dWeightGrad(conv.window(), conv.groups()), image, g())
            : null);
    if (node.inputs().size() == 3) {
      result.add(node.needs(2) ? g().sum(0, 2, 3) : null);
    }
    return result;
  }

  /** A mask that is learned needs the weights themselves, so all goes through them. */
  private List<@Nullable Tensor> attention(Attention op) {
    boolean masked = node.inputs().size() == 4;
    if (masked && node.needs(3)) {
      return decomposed(op);
    }
    List<Tensor> inputs = new ArrayList<>(List.of(x(0), x(1), x(2), y(), g()));
    if (masked) {
      inputs.add(x(3));
    }
    AttentionGrad grad = new AttentionGrad(op.scale(), op.causal());
    List<@Nullable Tensor> result =
        new ArrayList<>(Arrays.asList(Tensor.applyAll(grad, inputs.toArray(Tensor[]::new))));
    if (masked) {
      result.add(null);
    }
    return result;
  }

  private List<@Nullable Tensor> convTranspose(ConvTranspose2d conv) {
    List<@Nullable Tensor> result =
        new ArrayList<>(
            pair(
                () -> Tensor.apply(new Conv2d(conv.window(), conv.groups()), g(), x(1)),
                () -> Tensor.apply(new Conv2dWeightGrad(conv.window(), conv.groups()), g(), x(0))));
    if (node.inputs().size() == 3) {
      result.add(node.needs(2) ? g().sum(0, 2, 3) : null);
    }
    return result;
  }

  /** The gradient goes to the positions that are the second output. */
  private Tensor picked(int axis) {
    return Tensor.apply(new TakeAlongGrad(axis, x(0).shape()), node.outputs().get(1), g());
  }

  private List<@Nullable Tensor> concat(int axis) {
    List<@Nullable Tensor> result = new ArrayList<>();
    long from = 0;
    for (int i = 0; i < node.inputs().size(); i++) {
      long to = from + x(i).dim(axis);
      result.add(g().slice(axis, from, to));
      from = to;
    }
    return result;
  }

  private Tensor pad(Pad pad) {
    Tensor part = g();
    for (int d = 0; d < part.rank(); d++) {
      part =
          Tensor.apply(
              new View.Slice(d, pad.low().get(d), x(0).dim(d), pad.interior().get(d) + 1), part);
    }
    return part;
  }

  /** Differentiates through the decomposition, which is computed again. */
  private List<@Nullable Tensor> decomposed(Composite op) {
    Tensor[] inputs = new Tensor[node.inputs().size()];
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = x(i).detach();
      if (node.needs(i)) {
        inputs[i].requireGrad();
      }
    }
    Tensor result = Tape.recording(() -> Tensor.applyDecomposed(op, inputs));
    Gradients found = Tape.backward(result, g());
    List<@Nullable Tensor> gradients = new ArrayList<>();
    for (Tensor input : inputs) {
      gradients.add(found.find(input).orElse(null));
    }
    return gradients;
  }
}
