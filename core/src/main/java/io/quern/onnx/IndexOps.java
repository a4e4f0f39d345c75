package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.ArgReduce;
import io.quern.op.Compare;
import io.quern.op.CumSum;
import io.quern.op.TopK;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Operators that pick, place and order elements by index. */
final class IndexOps {
  private IndexOps() {}

  static void addTo(OpTable table) {
    Moving.one(table, "Gather", 1, IndexOps::gather);
    Moving.one(table, "GatherElements", 11, IndexOps::gatherElements);
    Moving.one(table, "GatherND", 11, IndexOps::gatherNd);
    table.op("OneHot", 9, IndexOps::oneHot);
    table.ops("TopK", 1, call -> topK(call, call.integer("k", 1)));
    table.ops("TopK", 10, call -> topK(call, call.longs(1)[0]));
    table.op("ArgMax", 1, call -> argReduce(call, ArgReduce.Fn.ARGMAX));
    table.op("ArgMin", 1, call -> argReduce(call, ArgReduce.Fn.ARGMIN));
    table.op(
        "CumSum",
        11,
        call -> {
          int axis = call.axis(call.longs(1)[0], call.in(0).rank());
          return Tensor.apply(
              new CumSum(axis, call.flag("exclusive", false), call.flag("reverse", false)),
              call.in(0));
        });
    table.op("Trilu", 14, IndexOps::trilu);
    table.eager("Scatter", 9, Scatters::elements);
    table.eager("ScatterElements", 11, Scatters::elements);
    table.eager("ScatterND", 11, Scatters::nd);
    table.eager("NonZero", 9, IndexOps::nonZero);
    table.eager("Compress", 9, IndexOps::compress);
    table.eager("Unique", 11, Uniques::unique);
    table.op("ReverseSequence", 10, IndexOps::reverseSequence);
    table.eager("CumProd", 26, IndexOps::cumProd);
  }

  /** Indices of I64 or I32 that count from the end when they are negative, from the front. */
  static Tensor fromFront(Tensor indices, long size) {
    Tensor wide = indices.to(DType.I64);
    return Tensor.where(wide.compare(Compare.Fn.LT, 0), wide.add((double) size), wide);
  }

  private static Tensor gather(Call call, Tensor x) {
    int axis = call.axis(call.integer("axis", 0), x.rank());
    return x.gather(axis, fromFront(call.in(1), x.dim(axis)));
  }

  private static Tensor gatherElements(Call call, Tensor x) {
    int axis = call.axis(call.integer("axis", 0), x.rank());
    Tensor indices = fromFront(call.in(1), x.dim(axis));
    if (indices.rank() != x.rank()) {
      throw call.error("indices %s must have the rank of %s", indices.shape(), x.shape());
    }
    for (int d = 0; d < x.rank(); d++) {
      if (d != axis && indices.dim(d) < x.dim(d)) {
        x = x.slice(d, 0, indices.dim(d));
      }
    }
    return x.takeAlong(axis, indices);
  }

  private static Tensor gatherNd(Call call, Tensor x) {
    Tensor indices = call.in(1);
    int batch = (int) call.integer("batch_dims", 0);
    int count = indices.shape().intDim(-1);
    int last = indices.rank() - 1;
    Shape lead = indices.shape().slice(0, last);
    if (batch + count > x.rank() || batch > last) {
      throw call.error("indices %s do not fit %s", indices.shape(), x.shape());
    }
    Tensor flat = Call.full(0, DType.I64, lead);
    for (int d = 0; d < batch; d++) {
      flat = flat.mul((double) x.dim(d)).add(ShapeOps.indices(x.dim(d), d, last));
    }
    for (int i = 0; i < count; i++) {
      long size = x.dim(batch + i);
      flat = flat.mul((double) size).add(fromFront(indices.select(last, i), size));
    }
    Shape rest = x.shape().slice(batch + count, x.rank());
    long rows = x.shape().slice(0, batch + count).size();
    Tensor table = x.reshape(Shape.of(rows).concat(rest));
    return table.gather(0, flat);
  }

  private static Tensor oneHot(Call call) {
    Tensor given = call.in(0);
    long depth = call.longs(1)[0];
    Tensor values = call.in(2);
    int rank = given.rank() + 1;
    int axis = call.axis(call.integer("axis", -1), rank);
    Tensor indices = fromFront(given, depth).unsqueeze(axis);
    Tensor hot = indices.eq(ShapeOps.indices(depth, axis, rank));
    return Tensor.where(
        hot,
        values.slice(0, 1, 2).reshape(Shape.scalar()),
        values.slice(0, 0, 1).reshape(Shape.scalar()));
  }

  private static Tensor[] topK(Call call, long count) {
    Tensor x = call.in(0);
    int axis = call.axis(call.integer("axis", -1), x.rank());
    return Tensor.applyAll(
        new TopK(axis, count, call.flag("largest", true), call.flag("sorted", true)), x);
  }

  private static Tensor argReduce(Call call, ArgReduce.Fn fn) {
    Tensor x = call.in(0);
    int axis = call.axis(call.integer("axis", 0), x.rank());
    ArgReduce op = new ArgReduce(fn, axis, call.flag("keepdims", true));
    if (!call.flag("select_last_index", false)) {
      return Tensor.apply(op, x);
    }
    Tensor fromEnd = Tensor.apply(op, x.flip(axis));
    return Call.full(x.dim(axis) - 1.0, DType.I64, Shape.scalar()).sub(fromEnd);
  }

  private static Tensor trilu(Call call) {
    Tensor x = call.in(0);
    double shift = call.scalar(1, 0);
    Tensor rows = Tensor.arange(x.dim(-2), DType.I64).reshape(x.dim(-2), 1);
    Tensor columns = Tensor.arange(x.dim(-1), DType.I64).reshape(1, x.dim(-1));
    Compare.Fn side = call.flag("upper", true) ? Compare.Fn.GE : Compare.Fn.LE;
    Tensor kept = columns.sub(rows).compare(side, shift);
    return Tensor.where(kept, x, ElementwiseOps.scalar(x, 0));
  }

  private static OnnxValue[] nonZero(Call call) {
    Tensor x = call.known(0);
    boolean[] set = new boolean[Math.toIntExact(x.size())];
    double[] values = x.toDoubleArray();
    int count = 0;
    for (int i = 0; i < set.length; i++) {
      set[i] = values[i] != 0;
      count += set[i] ? 1 : 0;
    }
    int rank = x.rank();
    long[] places = new long[rank * count];
    int at = 0;
    for (int i = 0; i < set.length; i++) {
      if (set[i]) {
        long rest = i;
        for (int d = rank - 1; d >= 0; d--) {
          places[d * count + at] = rest % x.dim(d);
          rest /= x.dim(d);
        }
        at++;
      }
    }
    return OnnxValue.all(OnnxValue.longs(Shape.of(rank, count), places));
  }

  private static OnnxValue[] compress(Call call) {
    long[] condition = call.longs(1);
    long[] chosen =
        java.util.stream.LongStream.range(0, condition.length)
            .filter(i -> condition[(int) i] != 0)
            .toArray();
    Tensor indices = OnnxValue.longs(Shape.of(chosen.length), chosen);
    return Moving.apply(
        call,
        0,
        (_, x) -> {
          Tensor from = call.hasAttribute("axis") ? x : x.reshape(x.size());
          int axis = call.axis(call.integer("axis", 0), from.rank());
          return new Tensor[] {from.gather(axis, indices)};
        });
  }

  private static Tensor reverseSequence(Call call) {
    Tensor x = call.in(0);
    int batchAxis = (int) call.integer("batch_axis", 1);
    int timeAxis = (int) call.integer("time_axis", 0);
    Tensor times = ShapeOps.indices(x.dim(timeAxis), timeAxis, 2);
    Tensor lengths =
        call.in(1)
            .to(DType.I64)
            .reshape(batchAxis == 0 ? x.dim(0) : 1, batchAxis == 0 ? 1 : x.dim(1));
    Tensor source =
        Tensor.where(times.compare(Compare.Fn.LT, lengths), lengths.sub(times).sub(1), times);
    Shape head = source.shape();
    while (source.rank() < x.rank()) {
      source = source.unsqueeze(source.rank());
    }
    Tensor all = source.expand(head.concat(x.shape().slice(2, x.rank())));
    return x.takeAlong(timeAxis, all.contiguous());
  }

  private static OnnxValue[] cumProd(Call call) {
    Tensor x = call.known(0);
    int axis = call.axis(call.longs(1)[0], x.rank());
    boolean exclusive = call.flag("exclusive", false);
    int[] places = places(x.shape(), axis, call.flag("reverse", false));
    int size = x.shape().intDim(axis);
    if (x.dtype().isInteger()) {
      long[] values = x.toLongArray();
      long product = 1;
      for (int i = 0; i < places.length; i++) {
        product = i % size == 0 ? 1 : product;
        long next = product * values[places[i]];
        values[places[i]] = exclusive ? product : next;
        product = next;
      }
      return OnnxValue.all(OnnxValue.longs(x.shape(), values).to(x.dtype()));
    }
    double[] values = x.toDoubleArray();
    double product = 1;
    for (int i = 0; i < places.length; i++) {
      product = i % size == 0 ? 1 : product;
      double next = product * values[places[i]];
      values[places[i]] = exclusive ? product : next;
      product = next;
    }
    return OnnxValue.all(OnnxValue.doubles(x.dtype(), x.shape(), values));
  }

  /** Where the elements are, row by row along an axis. */
  private static int[] places(Shape shape, int axis, boolean backwards) {
    int size = shape.intDim(axis);
    int inner = Math.toIntExact(shape.slice(axis + 1, shape.rank()).size());
    int[] places = new int[Math.toIntExact(shape.size())];
    for (int i = 0; i < places.length; i++) {
      int row = i / size;
      int along = backwards ? size - 1 - i % size : i % size;
      places[i] = (row / inner * size + along) * inner + row % inner;
    }
    return places;
  }

  /** Elements as bytes, to be moved whatever they are. */
  static Tensor ofBytes(byte[] bytes, DType dtype, Shape shape) {
    return Tensor.fromSegment(MemorySegment.ofArray(bytes), dtype, shape);
  }

  /** Strides of a contiguous tensor. */
  static long[] strides(Shape shape) {
    long[] strides = new long[shape.rank()];
    long stride = 1;
    for (int d = strides.length - 1; d >= 0; d--) {
      strides[d] = stride;
      stride *= Math.max(1, shape.dim(d));
    }
    return strides;
  }

  /** As many ones. */
  static long[] ones(int count) {
    long[] ones = new long[count];
    Arrays.fill(ones, 1);
    return ones;
  }

  /** A copy with one entry changed. */
  static long[] with(long[] values, int index, long value) {
    long[] copy = Arrays.copyOf(values, values.length);
    copy[index] = value;
    return copy;
  }
}
