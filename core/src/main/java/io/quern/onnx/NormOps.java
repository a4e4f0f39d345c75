package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import io.quern.op.LayerNorm;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Normalisations and softmax. */
final class NormOps {
  private NormOps() {}

  static void addTo(OpTable table) {
    table.ops("BatchNormalization", 1, NormOps::batch);
    table.op("InstanceNormalization", 1, NormOps::instance);
    table.ops("LayerNormalization", 17, NormOps::layer);
    table.op("GroupNormalization", 18, NormOps::group);
    table.op("RMSNormalization", 23, NormOps::rms);
    table.op("LRN", 1, call -> ReduceOps.widened(call.in(0), wide -> localResponse(call, wide)));
    table.op("LpNormalization", 1, NormOps::lp);
    table.op("MeanVarianceNormalization", 9, NormOps::meanVariance);
    for (int since : new int[] {1, 13}) {
      boolean flat = since < 13;
      table.op("Softmax", since, call -> along(call, flat, Tensor::softmax));
      table.op("LogSoftmax", since, call -> along(call, flat, Tensor::logSoftmax));
      table.op("Hardmax", since, call -> along(call, flat, NormOps::hardmax));
    }
    table.random("Dropout", 1, NormOps::dropout);
  }

  /** A function along an axis. */
  private interface Along {
    Tensor apply(Tensor x, int axis);
  }

  /** Up to version 12, the axis and all after it are one. */
  private static Tensor along(Call call, boolean flat, Along function) {
    Tensor x = call.in(0);
    if (!flat) {
      return x.rank() == 0
          ? function.apply(x.reshape(1), 0).reshape(x.shape())
          : function.apply(x, call.axis(call.integer("axis", -1), x.rank()));
    }
    int axis = call.axis(call.integer("axis", 1), x.rank());
    if (axis == x.rank() - 1) {
      return function.apply(x, axis);
    }
    long rows = x.shape().slice(0, axis).size();
    return function.apply(x.reshape(rows, x.size() / Math.max(1, rows)), 1).reshape(x.shape());
  }

  private static Tensor hardmax(Tensor x, int axis) {
    Tensor first = x.argmax(axis).unsqueeze(axis);
    Tensor places = ShapeOps.indices(x.dim(axis), axis, x.rank());
    return places.eq(first).to(x.dtype());
  }

  private static Tensor[] batch(Call call) {
    Tensor x = call.in(0);
    int rank = x.rank();
    double epsilon = call.number("epsilon", 1e-5f);
    if (!call.flag("training_mode", false)) {
      DType wide = call.in(3).dtype();
      Tensor factor = call.in(1).to(wide).div(call.in(4).add(epsilon).sqrt());
      Tensor shift = call.in(2).to(wide).sub(call.in(3).mul(factor));
      return new Tensor[] {
        x.to(wide)
            .mul(ConvOps.perChannel(factor, rank))
            .add(ConvOps.perChannel(shift, rank))
            .to(x.dtype())
      };
    }
    double momentum = call.number("momentum", 0.9f);
    List<Integer> axes = new ArrayList<>(IntStream.range(0, rank).boxed().toList());
    axes.remove(Integer.valueOf(1));
    Tensor wide = ReduceOps.wide(x);
    Tensor mean = ReduceOps.mean(wide, axes, true);
    Tensor centred = wide.sub(mean);
    Tensor variance = ReduceOps.mean(centred.square(), axes, true);
    Tensor y =
        centred
            .div(variance.add(epsilon).sqrt())
            .mul(ConvOps.perChannel(call.in(1).to(wide.dtype()), rank))
            .add(ConvOps.perChannel(call.in(2).to(wide.dtype()), rank))
            .to(x.dtype());
    return new Tensor[] {
      y, running(call.in(3), mean, momentum), running(call.in(4), variance, momentum)
    };
  }

  private static Tensor running(Tensor old, Tensor now, double momentum) {
    Tensor wide = ReduceOps.wide(old);
    Tensor next = now.reshape(old.shape()).to(wide.dtype());
    return wide.mul(momentum).add(next.mul(1 - momentum)).to(old.dtype());
  }

  /** Mean 0 and variance 1 over {@code axes}. */
  private static Tensor standardised(Tensor x, List<Integer> axes, double epsilon) {
    Tensor centred = x.sub(ReduceOps.mean(x, axes, true));
    Tensor variance = ReduceOps.mean(centred.square(), axes, true);
    return centred.div(variance.add(epsilon).sqrt());
  }

  private static Tensor instance(Call call) {
    Tensor x = call.in(0);
    Tensor wide = ReduceOps.wide(x);
    List<Integer> axes = IntStream.range(2, x.rank()).boxed().toList();
    return standardised(wide, axes, call.number("epsilon", 1e-5f))
        .mul(ConvOps.perChannel(ReduceOps.wide(call.in(1)), x.rank()))
        .add(ConvOps.perChannel(ReduceOps.wide(call.in(2)), x.rank()))
        .to(x.dtype());
  }

  private static Tensor meanVariance(Call call) {
    Tensor x = call.in(0);
    long[] given = call.integers("axes", new long[] {0, 2, 3});
    List<Integer> axes = IntStream.of(call.axes(given, x.rank())).boxed().toList();
    Tensor wide = ReduceOps.wide(x);
    Tensor centred = wide.sub(ReduceOps.mean(wide, axes, true));
    Tensor variance = ReduceOps.mean(centred.square(), axes, true);
    return centred.div(variance.sqrt().add(1e-9)).to(x.dtype());
  }

  /** Layer norm over the last dimension. */
  static Tensor overLast(Tensor x, Tensor scale, @Nullable Tensor shift, double epsilon) {
    Tensor beta = shift == null ? scale.fullLike(0) : shift;
    return Tensor.apply(new LayerNorm(1, epsilon), x, scale, beta);
  }

  private static Tensor[] layer(Call call) {
    Tensor x = call.in(0);
    int axis = call.axis(call.integer("axis", -1), x.rank());
    double epsilon = call.number("epsilon", 1e-5f);
    Shape tail = x.shape().slice(axis, x.rank());
    if (!call.wants(1)
        && !call.wants(2)
        && x.size() > 0
        && call.in(1).shape().equals(tail)
        && call.in(1).dtype() == x.dtype()) {
      Tensor shift = call.has(2) ? call.in(2).expand(tail) : call.in(1).fullLike(0);
      return new Tensor[] {
        Tensor.apply(new LayerNorm(x.rank() - axis, epsilon), x, call.in(1), shift)
      };
    }
    Tensor wide = stashed(call, x);
    List<Integer> axes = IntStream.range(axis, x.rank()).boxed().toList();
    Tensor mean = ReduceOps.mean(wide, axes, true);
    Tensor centred = wide.sub(mean);
    Tensor scale = ReduceOps.mean(centred.square(), axes, true).add(epsilon).map(Unary.Fn.RSQRT);
    Tensor y = centred.mul(scale).to(x.dtype()).mul(call.in(1));
    return new Tensor[] {call.has(2) ? y.add(call.in(2)) : y, mean, scale};
  }

  /** The input in the type that moments are computed in. */
  private static Tensor stashed(Call call, Tensor x) {
    boolean asFloat = call.integer("stash_type", 1) == ElementType.FLOAT.code();
    return asFloat ? ReduceOps.wide(x) : x;
  }

  private static Tensor group(Call call) {
    Tensor x = call.in(0);
    long groups = call.integer("num_groups");
    Tensor wide = x.dtype() == DType.F64 ? x : x.to(DType.F32);
    Tensor split = wide.reshape(x.dim(0), groups, -1);
    Tensor normal =
        standardised(split, List.of(2), call.number("epsilon", 1e-5f))
            .reshape(x.shape())
            .to(x.dtype());
    return normal
        .mul(ConvOps.perChannel(perGroup(call.in(1), x, groups), x.rank()))
        .add(ConvOps.perChannel(perGroup(call.in(2), x, groups), x.rank()));
  }

  /** Up to version 20 there is one number for each group. */
  private static Tensor perGroup(Tensor values, Tensor x, long groups) {
    long channels = x.dim(1);
    return values.dim(0) == channels
        ? values
        : values.reshape(groups, 1).expand(Shape.of(groups, channels / groups)).reshape(channels);
  }

  /** The result has the dtype of the scale. */
  private static Tensor rms(Call call) {
    Tensor x = call.in(0);
    int axis = call.axis(call.integer("axis", -1), x.rank());
    Tensor scale = call.in(1);
    Tensor wide = stashed(call, x);
    List<Integer> axes = IntStream.range(axis, x.rank()).boxed().toList();
    Tensor square = ReduceOps.mean(wide.square(), axes, true);
    Tensor normal = wide.mul(square.add(call.number("epsilon", 1e-5f)).map(Unary.Fn.RSQRT));
    return normal.to(x.dtype()).to(scale.dtype()).mul(scale);
  }

  private static Tensor localResponse(Call call, Tensor x) {
    long size = call.integer("size");
    long[] before = new long[x.rank()];
    long[] after = new long[x.rank()];
    before[1] = (size - 1) / 2;
    after[1] = size - 1 - before[1];
    Tensor squares = x.square().pad(before, after, 0);
    Tensor sum = squares.slice(1, 0, x.dim(1));
    for (int k = 1; k < size; k++) {
      sum = sum.add(squares.slice(1, k, k + x.dim(1)));
    }
    double alpha = call.number("alpha", 1e-4f);
    Tensor base = sum.mul(alpha / (double) size).add(call.number("bias", 1));
    double beta = call.number("beta", 0.75);
    if (beta == 0.75) {
      Tensor root = base.sqrt();
      return x.div(root.mul(root.sqrt()));
    }
    return x.div(base.pow(beta));
  }

  private static Tensor lp(Call call) {
    Tensor x = call.in(0);
    Tensor wide = ReduceOps.wide(x);
    List<Integer> axis = List.of(call.axis(call.integer("axis", -1), x.rank()));
    Tensor length =
        call.integer("p", 2) == 1
            ? ReduceOps.sum(wide.abs(), axis, true)
            : ReduceOps.sum(wide.square(), axis, true).sqrt();
    Tensor zero = length.compare(Compare.Fn.EQ, 0);
    return wide.div(Tensor.where(zero, ElementwiseOps.scalar(wide, 1), length)).to(x.dtype());
  }

  private static OnnxValue[] dropout(Call call) {
    Tensor x = call.in(0);
    double ratio = call.version() < 12 ? call.number("ratio", 0.5) : call.scalar(1, 0.5);
    boolean training = call.version() >= 12 && call.scalar(2, 0) != 0;
    if (!training || ratio == 0) {
      return OnnxValue.all(x, Call.full(1, DType.BOOL, x.shape()));
    }
    Tensor kept =
        Rng.of(call.seed())
            .uniform(x.shape(), 0, 1, DType.F32, Device.cpu())
            .compare(Compare.Fn.GE, ratio);
    return OnnxValue.all(x.mul(kept.to(x.dtype())).mul(1 / (1 - ratio)), kept);
  }
}
