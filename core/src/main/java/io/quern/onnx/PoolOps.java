package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import io.quern.op.Pool2d;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BinaryOperator;
import java.util.stream.IntStream;

/** Poolings in any number of dimensions. */
final class PoolOps {
  private PoolOps() {}

  static void addTo(OpTable table) {
    table.ops("MaxPool", 1, PoolOps::maxPool);
    table.op("AveragePool", 1, call -> averagePool(call, call.in(0)));
    table.op("LpPool", 1, PoolOps::lpPool);
    table.op("GlobalAveragePool", 1, call -> ReduceOps.mean(call.in(0), spatial(call.in(0)), true));
    table.op(
        "GlobalMaxPool",
        1,
        call -> {
          Tensor x = call.in(0);
          Tensor most = x.max(spatial(x).stream().mapToInt(Integer::intValue).toArray());
          return ShapeOps.unsqueeze(
              call, most, spatial(x).stream().mapToLong(Integer::longValue).toArray());
        });
    table.op(
        "GlobalLpPool",
        1,
        call -> {
          double p = call.version() < 2 ? call.number("p", 2) : call.integer("p", 2);
          List<Integer> axes = spatial(call.in(0));
          return ReduceOps.widened(
              call.in(0), x -> ReduceOps.sum(x.abs().pow(p), axes, true).pow(1 / p));
        });
    table.eager("MaxUnpool", 9, PoolOps::unpool);
  }

  /** The dimensions after batch and channels. */
  static List<Integer> spatial(Tensor x) {
    return IntStream.range(2, x.rank()).boxed().toList();
  }

  private static Tensor[] maxPool(Call call) {
    Tensor x = call.in(0);
    Windows windows = Windows.of(call, x.shape(), call.integersOf("kernel_shape"));
    if (call.wants(1)) {
      return withIndices(call, x, windows);
    }
    if (fits(x, windows)) {
      return new Tensor[] {pooled(x, new Pool2d(Pool2d.Fn.MAX, windows.window(x.shape()), false))};
    }
    double least = x.dtype().isFloat() ? Double.NEGATIVE_INFINITY : lowest(x.dtype());
    return new Tensor[] {fold(x, windows, least, Tensor::maximum)};
  }

  private static double lowest(DType dtype) {
    return dtype.isUnsigned() ? 0 : -Math.scalb(1.0, dtype.bytes() * 8 - 1);
  }

  /** Whether the op for images can do it: windows see at least one element each. */
  private static boolean fits(Tensor x, Windows windows) {
    boolean isByte = x.dtype() == DType.U8 || x.dtype() == DType.I8;
    boolean fits = (x.dtype().isFloat() || isByte) && windows.spatial() <= 2;
    for (int d = 0; d < windows.spatial(); d++) {
      long reach = Math.max(windows.before()[d], windows.reach(d, x.dim(d + 2)));
      fits &= reach == 0 || (reach < windows.kernel()[d] && windows.dilations()[d] == 1);
      fits &= windows.before()[d] >= 0 && windows.after()[d] >= 0;
    }
    boolean padded =
        Arrays.stream(windows.before()).anyMatch(p -> p > 0)
            || IntStream.range(0, windows.spatial())
                .anyMatch(d -> windows.reach(d, x.dim(d + 2)) > 0);
    return fits && (!padded || Arrays.stream(windows.dilations()).allMatch(d -> d == 1));
  }

  private static Tensor pooled(Tensor x, Pool2d op) {
    return x.rank() == 3 ? Tensor.apply(op, x.unsqueeze(2)).squeeze(2) : Tensor.apply(op, x);
  }

  private static Tensor padded(Tensor x, Windows windows, double value) {
    long[] before = new long[x.rank()];
    long[] after = new long[x.rank()];
    for (int d = 0; d < windows.spatial(); d++) {
      before[d + 2] = windows.before()[d];
      after[d + 2] = windows.reach(d, x.dim(d + 2));
    }
    return Arrays.stream(before).sum() + Arrays.stream(after).sum() == 0
        ? x
        : x.pad(before, after, value);
  }

  /** All places within a window. */
  private static List<long[]> offsets(Windows windows) {
    List<long[]> offsets = new ArrayList<>(List.of(new long[windows.spatial()]));
    for (int d = 0; d < windows.spatial(); d++) {
      List<long[]> more = new ArrayList<>();
      for (long[] each : offsets) {
        for (long k = 0; k < windows.kernel()[d]; k++) {
          more.add(IndexOps.with(each, d, k));
        }
      }
      offsets = more;
    }
    return offsets;
  }

  /** What all windows have at one place. */
  private static Tensor at(Tensor padded, Windows windows, long[] offset) {
    Tensor x = padded;
    for (int d = 0; d < offset.length; d++) {
      long from = offset[d] * windows.dilations()[d];
      long to = from + (windows.outputs()[d] - 1) * windows.strides()[d] + 1;
      x = x.slice(d + 2, from, to, windows.strides()[d]);
    }
    return x;
  }

  private static Tensor fold(
      Tensor x, Windows windows, double padding, BinaryOperator<Tensor> function) {
    Tensor padded = padded(x, windows, padding);
    Tensor result = null;
    for (long[] offset : offsets(windows)) {
      Tensor part = at(padded, windows, offset);
      result = result == null ? part : function.apply(result, part);
    }
    return result == null ? x : result;
  }

  private static Tensor[] withIndices(Call call, Tensor x, Windows windows) {
    boolean columnMajor = call.flag("storage_order", false);
    double least = x.dtype().isFloat() ? Double.NEGATIVE_INFINITY : lowest(x.dtype());
    Tensor padded = padded(x, windows, least);
    Tensor best = null;
    Tensor place = null;
    for (long[] offset : offsets(windows)) {
      Tensor part = at(padded, windows, offset);
      Tensor places = places(x.shape(), windows, offset, columnMajor);
      if (best == null || place == null) {
        best = part;
        place = places;
      } else {
        Tensor better = part.compare(Compare.Fn.GT, best);
        // A place in the padding is never better, but may have come first.
        Tensor outside = place.compare(Compare.Fn.LT, 0);
        place = Tensor.where(better.maximum(outside.expand(better.shape())), places, place);
        best = best.maximum(part);
      }
    }
    if (best == null || place == null) {
      throw call.error("an empty window");
    }
    long planes = x.dim(0) * x.dim(1);
    Shape lead = Shape.of(x.dim(0), x.dim(1));
    while (lead.rank() < x.rank()) {
      lead = lead.insert(lead.rank(), 1);
    }
    long size = x.size() / planes;
    Tensor plane = Tensor.arange(planes, DType.I64).mul((double) size).reshape(lead);
    return new Tensor[] {best, place.add(plane)};
  }

  /** Positions within a plane of what {@link #at} gives; far below 0 in the padding. */
  private static Tensor places(Shape x, Windows windows, long[] offset, boolean columnMajor) {
    Tensor sum = Call.full(0, DType.I64, Shape.of(1));
    long stride = 1;
    for (int i = 0; i < offset.length; i++) {
      int d = columnMajor ? i : offset.length - 1 - i;
      long size = x.dim(d + 2);
      long[] along = new long[(int) windows.outputs()[d]];
      for (int o = 0; o < along.length; o++) {
        long at =
            o * windows.strides()[d] + offset[d] * windows.dilations()[d] - windows.before()[d];
        along[o] = at < 0 || at >= size ? Long.MIN_VALUE / 8 : at * stride;
      }
      long[] dims = new long[x.rank()];
      Arrays.fill(dims, 1);
      dims[d + 2] = along.length;
      sum = sum.add(OnnxValue.longs(Shape.of(dims), along));
      stride *= size;
    }
    return sum;
  }

  /** The average of each window of x, as the node's attributes tell. */
  static Tensor averagePool(Call call, Tensor x) {
    Windows windows = Windows.of(call, x.shape(), call.integersOf("kernel_shape"));
    boolean counts = call.flag("count_include_pad", false);
    boolean exact =
        IntStream.range(0, windows.spatial())
            .allMatch(d -> windows.reach(d, x.dim(d + 2)) <= windows.after()[d]);
    if (exact && fits(x, windows)) {
      return pooled(x, new Pool2d(Pool2d.Fn.AVG, windows.window(x.shape()), counts));
    }
    return ReduceOps.widened(x, y -> averages(y, windows, counts));
  }

  private static Tensor averages(Tensor x, Windows windows, boolean countsPadding) {
    Tensor sum = fold(x, windows, 0, Tensor::add);
    for (int d = 0; d < windows.spatial(); d++) {
      sum = sum.mul(shares(x, windows, d, countsPadding));
    }
    return sum;
  }

  /** One divided by how many elements windows have along a dimension. */
  private static Tensor shares(Tensor x, Windows windows, int d, boolean countsPadding) {
    double[] shares = new double[(int) windows.outputs()[d]];
    long low = countsPadding ? -windows.before()[d] : 0;
    long high = x.dim(d + 2) + (countsPadding ? windows.after()[d] : 0);
    for (int o = 0; o < shares.length; o++) {
      int count = 0;
      for (long k = 0; k < windows.kernel()[d]; k++) {
        long at = o * windows.strides()[d] + k * windows.dilations()[d] - windows.before()[d];
        count += at >= low && at < high ? 1 : 0;
      }
      shares[o] = 1.0 / count;
    }
    long[] dims = new long[x.rank()];
    Arrays.fill(dims, 1);
    dims[d + 2] = shares.length;
    return OnnxValue.doubles(x.dtype(), Shape.of(dims), shares);
  }

  private static Tensor lpPool(Call call) {
    Tensor x = call.in(0);
    Windows windows = Windows.of(call, x.shape(), call.integersOf("kernel_shape"));
    double p = call.version() < 2 ? call.number("p", 2) : call.integer("p", 2);
    return ReduceOps.widened(x, y -> fold(y.abs().pow(p), windows, 0, Tensor::add).pow(1 / p));
  }

  private static OnnxValue[] unpool(Call call) {
    Tensor x = call.known(0);
    long[] places = call.longs(1);
    long[] kernel = call.integersOf("kernel_shape");
    int spatial = kernel.length;
    long[] strides = call.integers("strides", IndexOps.ones(spatial));
    long[] pads = call.integers("pads", new long[2 * spatial]);
    Shape natural = x.shape().slice(0, 2);
    for (int d = 0; d < spatial; d++) {
      long size = (x.dim(d + 2) - 1) * strides[d] + kernel[d] - pads[d] - pads[spatial + d];
      natural = natural.insert(natural.rank(), size);
    }
    Shape shape = call.has(2) ? Shape.of(call.longs(2)) : natural;
    double[] result = new double[Math.toIntExact(shape.size())];
    double[] values = x.toDoubleArray();
    for (int i = 0; i < values.length; i++) {
      long rest = places[i];
      long at = 0;
      long[] into = IndexOps.strides(shape);
      for (int d = natural.rank() - 1; d >= 0; d--) {
        at += rest % natural.dim(d) * into[d];
        rest /= natural.dim(d);
      }
      if (rest != 0 || at < 0 || at >= result.length) {
        throw call.error("index %d is out of range for %s", places[i], natural);
      }
      result[(int) at] = values[i];
    }
    return OnnxValue.all(OnnxValue.doubles(x.dtype(), shape, result));
  }
}
