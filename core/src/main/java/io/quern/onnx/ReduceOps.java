package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import io.quern.op.Reduce;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/** Folds over axes. */
final class ReduceOps {
  private ReduceOps() {}

  /** A fold over axes, which stay with size 1 or go. */
  private interface Fold {
    Tensor apply(Tensor x, List<Integer> axes, boolean keep);
  }

  static void addTo(OpTable table) {
    add(table, "ReduceSum", 13, ReduceOps::sum);
    add(table, "ReduceMean", 18, ReduceOps::mean);
    add(table, "ReduceMax", 18, (x, axes, keep) -> extreme(Reduce.Fn.MAX, x, axes, keep));
    add(table, "ReduceMin", 18, (x, axes, keep) -> extreme(Reduce.Fn.MIN, x, axes, keep));
    add(
        table,
        "ReduceProd",
        18,
        (x, axes, keep) -> widened(x, y -> fold(Reduce.Fn.PROD, y, axes, keep)));
    add(table, "ReduceL1", 18, (x, axes, keep) -> sum(x.abs(), axes, keep));
    add(table, "ReduceL2", 18, ReduceOps::length);
    add(
        table,
        "ReduceSumSquare",
        18,
        (x, axes, keep) -> widened(x, y -> sum(y.square(), axes, keep)));
    add(table, "ReduceLogSum", 18, (x, axes, keep) -> onFloats(x, y -> sum(y, axes, keep).log()));
    add(
        table,
        "ReduceLogSumExp",
        18,
        (x, axes, keep) -> onFloats(x, y -> logSumExp(y, axes, keep)));
  }

  /** Axes are an attribute at first, and an input from a version on. */
  private static void add(OpTable table, String op, long inputSince, Fold fold) {
    table.op(op, 1, call -> reduce(call, call.integers("axes"), fold));
    table.op(op, inputSince, call -> reduce(call, call.longsOr(1, null), fold));
  }

  private static Tensor reduce(Call call, long[] given, Fold fold) {
    Tensor x = call.in(0);
    boolean none = given == null || given.length == 0;
    if (none && call.flag("noop_with_empty_axes", false)) {
      return fold.apply(x, List.of(), true);
    }
    List<Integer> axes =
        none
            ? IntStream.range(0, x.rank()).boxed().toList()
            : IntStream.of(call.axes(given, x.rank())).boxed().toList();
    return fold.apply(x, axes, call.flag("keepdims", true));
  }

  private static Tensor onFloats(Tensor x, UnaryOperator<Tensor> function) {
    return x.dtype().isFloat()
        ? widened(x, function)
        : function.apply(x.to(DType.F64)).to(x.dtype());
  }

  /** Halves go through F32 and are rounded once, so that no step in between overflows. */
  static Tensor widened(Tensor x, UnaryOperator<Tensor> function) {
    Tensor wide = wide(x);
    return wide == x ? function.apply(x) : function.apply(wide).to(x.dtype());
  }

  /** Halves as F32; all else as it is. */
  static Tensor wide(Tensor x) {
    return x.dtype() == DType.F16 || x.dtype() == DType.BF16 ? x.to(DType.F32) : x;
  }

  private static Tensor fold(Reduce.Fn fn, Tensor x, List<Integer> axes, boolean keep) {
    return axes.isEmpty() ? x : Tensor.apply(new Reduce(fn, axes, keep), x);
  }

  static Tensor sum(Tensor x, List<Integer> axes, boolean keep) {
    return fold(Reduce.Fn.SUM, x, axes, keep);
  }

  static Tensor mean(Tensor x, List<Integer> axes, boolean keep) {
    long count = axes.stream().mapToLong(x::dim).reduce(1, (a, b) -> a * b);
    return x.dtype().isFloat()
        ? widened(x, y -> sum(y, axes, keep).mul(1.0 / count))
        : sum(x, axes, keep).div((double) count);
  }

  private static Tensor length(Tensor x, List<Integer> axes, boolean keep) {
    return onFloats(x, y -> sum(y.square(), axes, keep).sqrt());
  }

  /** The extreme of no elements is the identity of the fold. */
  private static Tensor extreme(Reduce.Fn fn, Tensor x, List<Integer> axes, boolean keep) {
    if (x.size() > 0 || axes.stream().noneMatch(axis -> x.dim(axis) == 0)) {
      return fold(fn, x, axes, keep);
    }
    double identity = fn == Reduce.Fn.MAX ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    // Both infinities are true.
    double start = x.dtype() == DType.BOOL ? Math.max(0, Math.signum(identity)) : identity;
    return Call.full(start, x.dtype(), folded(x, axes, keep));
  }

  /** The shape of a fold over axes. */
  private static Shape folded(Tensor x, List<Integer> axes, boolean keep) {
    List<Long> dims = new ArrayList<>();
    for (int d = 0; d < x.rank(); d++) {
      if (!axes.contains(d)) {
        dims.add(x.dim(d));
      } else if (keep) {
        dims.add(1L);
      }
    }
    return Shape.of(dims.stream().mapToLong(Long::longValue).toArray());
  }

  /** The largest element is taken out first, unless infinite, so that no exponential overflows. */
  private static Tensor logSumExp(Tensor x, List<Integer> axes, boolean keep) {
    if (axes.isEmpty()) {
      return x;
    }
    Tensor most = extreme(Reduce.Fn.MAX, x, axes, true);
    Tensor infinite = most.abs().compare(Compare.Fn.EQ, Double.POSITIVE_INFINITY);
    Tensor finite = Tensor.where(infinite, most.fullLike(0), most);
    Tensor sum = sum(x.sub(finite).exp(), axes, true).log().add(finite);
    return sum.reshape(folded(x, axes, keep));
  }
}
