package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.ShapeRules;
import io.quern.op.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Operators that change shapes and places, without looking at elements. */
final class ShapeOps {
  private ShapeOps() {}

  static void addTo(OpTable table) {
    table.value("Identity", 1, call -> call.value(0));
    table.op("Shape", 1, ShapeOps::shape);
    table.op("Size", 1, call -> OnnxValue.longs(Shape.scalar(), shapeOf(call).size()));
    Moving.one(table, "Reshape", 1, (call, x) -> reshape(call, x, call.integersOf("shape")));
    Moving.one(table, "Reshape", 5, (call, x) -> reshape(call, x, call.longs(1)));
    Moving.one(table, "Flatten", 1, ShapeOps::flatten);
    Moving.one(table, "Squeeze", 1, (call, x) -> squeeze(call, x, call.integers("axes")));
    Moving.one(table, "Squeeze", 13, (call, x) -> squeeze(call, x, call.longsOr(1, null)));
    Moving.one(table, "Unsqueeze", 1, (call, x) -> unsqueeze(call, x, call.integersOf("axes")));
    Moving.one(table, "Unsqueeze", 13, (call, x) -> unsqueeze(call, x, call.longs(1)));
    Moving.one(table, "Transpose", 1, ShapeOps::transpose);
    Moving.one(table, "Expand", 8, ShapeOps::expand);
    Moving.one(table, "Tile", 6, (call, x) -> tile(call, x, call.longs(1)));
    table.values("Concat", 1, ShapeOps::concat);
    Moving.many(table, "Split", 1, ShapeOps::split);
    Moving.one(
        table,
        "Slice",
        1,
        (call, x) ->
            slice(
                call,
                x,
                call.integersOf("starts"),
                call.integersOf("ends"),
                call.integers("axes"),
                null));
    Moving.one(
        table,
        "Slice",
        10,
        (call, x) ->
            slice(
                call,
                x,
                call.longs(1),
                call.longs(2),
                call.longsOr(3, null),
                call.longsOr(4, null)));
    Moving.one(table, "DepthToSpace", 1, ShapeOps::depthToSpace);
    Moving.one(table, "SpaceToDepth", 1, ShapeOps::spaceToDepth);
    table.values("Pad", 2, call -> pad(call, call.integersOf("pads"), null));
    table.values("Pad", 11, call -> pad(call, call.longs(1), call.longsOr(3, null)));
  }

  static Shape shapeOf(Call call) {
    return switch (call.value(0)) {
      case OnnxValue.Strings strings -> strings.shape();
      default -> call.in(0).shape();
    };
  }

  private static Tensor shape(Call call) {
    long[] dims = shapeOf(call).toArray();
    int from = bound(call.integer("start", 0), dims.length);
    int to = bound(call.integer("end", dims.length), dims.length);
    long[] part = Arrays.copyOfRange(dims, from, Math.max(from, to));
    return OnnxValue.longs(Shape.of(part.length), part);
  }

  private static int bound(long index, int rank) {
    return Math.clamp(index < 0 ? index + rank : index, 0, rank);
  }

  private static Tensor reshape(Call call, Tensor x, long[] target) {
    long[] dims = target.clone();
    boolean zeroIsZero = call.flag("allowzero", false);
    for (int d = 0; d < dims.length; d++) {
      if (dims[d] == 0 && !zeroIsZero) {
        if (d >= x.rank()) {
          throw call.error("dimension %d of %s is not there", d, x.shape());
        }
        dims[d] = x.dim(d);
      }
    }
    if (x.size() == 0 && Arrays.stream(dims).anyMatch(d -> d == -1)) {
      for (int d = 0; d < dims.length; d++) {
        dims[d] = dims[d] == -1 ? emptySize(x, dims) : dims[d];
      }
    }
    return x.reshape(dims);
  }

  /** What -1 means where there are no elements: what is left of the other dimensions. */
  private static long emptySize(Tensor x, long[] dims) {
    long given = Arrays.stream(dims).filter(d -> d > 0).reduce(1, Math::multiplyExact);
    boolean hasZero = Arrays.stream(dims).anyMatch(d -> d == 0);
    long mine = Arrays.stream(x.shape().toArray()).filter(d -> d > 0).reduce(1, (a, b) -> a * b);
    return hasZero ? mine / given : 0;
  }

  private static Tensor flatten(Call call, Tensor x) {
    long axis = call.integer("axis", 1);
    int at = (int) (axis < 0 ? axis + x.rank() : axis);
    if (at < 0 || at > x.rank()) {
      throw call.error("axis %d is out of range for shape %s", axis, x.shape());
    }
    return x.reshape(Shape.of(x.shape().slice(0, at).size(), x.shape().slice(at, x.rank()).size()));
  }

  private static Tensor squeeze(Call call, Tensor x, long[] axes) {
    boolean[] gone = new boolean[x.rank()];
    if (axes == null) {
      for (int d = 0; d < gone.length; d++) {
        gone[d] = x.dim(d) == 1;
      }
    } else {
      for (int axis : call.axes(axes, x.rank())) {
        if (x.dim(axis) != 1) {
          throw call.error("axis %d of %s does not have size 1", axis, x.shape());
        }
        gone[axis] = true;
      }
    }
    Shape shape = Shape.scalar();
    for (int d = 0; d < gone.length; d++) {
      shape = gone[d] ? shape : shape.insert(shape.rank(), x.dim(d));
    }
    return x.reshape(shape);
  }

  static Tensor unsqueeze(Call call, Tensor x, long[] axes) {
    int[] at = call.axes(axes, x.rank() + axes.length);
    Arrays.sort(at);
    Shape shape = x.shape();
    for (int i = 0; i < at.length; i++) {
      if (i > 0 && at[i] == at[i - 1]) {
        throw call.error("axis %d is listed twice", at[i]);
      }
      shape = shape.insert(at[i], 1);
    }
    return x.reshape(shape);
  }

  private static Tensor transpose(Call call, Tensor x) {
    long[] order = call.integers("perm");
    int[] axes = new int[x.rank()];
    for (int d = 0; d < axes.length; d++) {
      axes[d] = order == null ? axes.length - 1 - d : (int) order[Math.min(d, order.length - 1)];
    }
    if (order != null && order.length != axes.length) {
      throw call.error("perm %s does not fit %s", Arrays.toString(order), x.shape());
    }
    return x.permute(axes);
  }

  private static Tensor expand(Call call, Tensor x) {
    Shape target = Shape.of(call.longs(1));
    return x.expand(ShapeRules.broadcast("Expand", x.shape(), target));
  }

  static Tensor tile(Call call, Tensor x, long[] repeats) {
    if (repeats.length != x.rank()) {
      throw call.error("needs %d repeats, found %s", x.rank(), Arrays.toString(repeats));
    }
    long[] apart = new long[2 * x.rank()];
    long[] expanded = new long[2 * x.rank()];
    long[] joined = new long[x.rank()];
    for (int d = 0; d < x.rank(); d++) {
      apart[2 * d] = 1;
      apart[2 * d + 1] = x.dim(d);
      expanded[2 * d] = repeats[d];
      expanded[2 * d + 1] = x.dim(d);
      joined[d] = Math.multiplyExact(repeats[d], x.dim(d));
    }
    return x.reshape(Shape.of(apart)).expand(Shape.of(expanded)).reshape(Shape.of(joined));
  }

  private static OnnxValue[] concat(Call call) {
    if (call.value(0) instanceof OnnxValue.Strings) {
      return new OnnxValue[] {StringOps.concat(call, call.integer("axis", 1))};
    }
    Tensor[] parts = call.tensors();
    int axis = call.axis(call.integer("axis", 1), parts[0].rank());
    return new OnnxValue[] {new OnnxValue.Dense(Tensor.concat(axis, parts), call.dense(0).type())};
  }

  private static Tensor[] split(Call call, Tensor x) {
    int axis = call.axis(call.integer("axis", 0), x.rank());
    long[] sizes = call.version() < 13 ? call.integers("split") : call.longsOr(1, null);
    if (sizes == null) {
      sizes = equalParts(x.dim(axis), call.outputs());
    }
    if (Arrays.stream(sizes).sum() != x.dim(axis)) {
      throw call.error(
          "sizes %s do not fit axis %d of %s", Arrays.toString(sizes), axis, x.shape());
    }
    return parts(x, axis, sizes);
  }

  /** The sizes of {@code count} parts; the last one may be smaller. */
  static long[] equalParts(long size, int count) {
    long each = (size + count - 1) / count;
    long[] sizes = new long[count];
    for (int i = 0; i < count; i++) {
      sizes[i] = Math.clamp(size - i * each, 0, each);
    }
    return sizes;
  }

  static Tensor[] parts(Tensor x, int axis, long[] sizes) {
    Tensor[] parts = new Tensor[sizes.length];
    long at = 0;
    for (int i = 0; i < sizes.length; i++) {
      parts[i] = x.slice(axis, at, at + sizes[i]);
      at += sizes[i];
    }
    return parts;
  }

  private static Tensor slice(
      Call call, Tensor x, long[] starts, long[] ends, long[] axes, long[] steps) {
    for (int i = 0; i < starts.length; i++) {
      int axis = call.axis(axes == null ? i : axes[i], x.rank());
      x = slice(call, x, axis, starts[i], ends[i], steps == null ? 1 : steps[i]);
    }
    return x;
  }

  private static Tensor slice(Call call, Tensor x, int axis, long start, long end, long step) {
    long size = x.dim(axis);
    if (step == 0) {
      throw call.error("step must not be 0");
    }
    long from = start < 0 ? start + size : start;
    long to = end < 0 ? end + size : end;
    if (step > 0) {
      from = Math.clamp(from, 0, size);
      to = Math.clamp(to, 0, size);
      long count = to > from ? (to - from - 1) / step + 1 : 0;
      return count == size && step == 1
          ? x
          : Tensor.apply(new View.Slice(axis, from, count, count <= 1 ? 1 : step), x);
    }
    from = Math.clamp(from, -1, size - 1);
    to = Math.clamp(to, -1, size - 1);
    long stride = step == Long.MIN_VALUE ? Long.MAX_VALUE : -step;
    long count = from > to ? (from - to - 1) / stride + 1 : 0;
    View.Slice view =
        new View.Slice(axis, count == 0 ? 0 : size - 1 - from, count, count <= 1 ? 1 : stride);
    return Tensor.apply(view, x.flip(axis));
  }

  private static Tensor depthToSpace(Call call, Tensor x) {
    long b = call.integer("blocksize");
    long n = x.dim(0);
    long c = x.dim(1) / (b * b);
    long h = x.dim(2);
    long w = x.dim(3);
    Tensor moved =
        call.text("mode", "DCR").equals("CRD")
            ? x.reshape(n, c, b, b, h, w).permute(0, 1, 4, 2, 5, 3)
            : x.reshape(n, b, b, c, h, w).permute(0, 3, 4, 1, 5, 2);
    return moved.reshape(n, c, h * b, w * b);
  }

  private static Tensor spaceToDepth(Call call, Tensor x) {
    long b = call.integer("blocksize");
    long n = x.dim(0);
    long c = x.dim(1);
    long h = x.dim(2) / b;
    long w = x.dim(3) / b;
    Tensor blocks = x.reshape(n, c, h, b, w, b);
    Tensor moved =
        call.text("mode", "DCR").equals("CRD")
            ? blocks.permute(0, 1, 3, 5, 2, 4)
            : blocks.permute(0, 3, 5, 1, 2, 4);
    return moved.reshape(n, c * b * b, h, w);
  }

  /** What a tensor is surrounded with. */
  private interface Filler {
    Tensor apply(Tensor x, long[] before, long[] after);
  }

  private static OnnxValue[] pad(Call call, long[] pads, long @Nullable [] axes) {
    boolean constant = call.text("mode", "constant").equals("constant");
    if (constant && call.value(0) instanceof OnnxValue.Strings strings) {
      List<String> texts = new ArrayList<>(strings.elements());
      Tensor positions = Tensor.arange(texts.size(), DType.I64).reshape(strings.shape());
      double blank = texts.size();
      texts.add(call.has(2) ? call.strings(2).elements().getFirst() : "");
      Filler filler = (x, before, after) -> surrounded(x, before, after, blank);
      return new OnnxValue[] {Moving.at(texts, padded(call, positions, pads, axes, filler))};
    }
    Filler filler =
        constant
            ? (x, before, after) -> filled(call, x, before, after)
            : (x, before, after) -> continued(call, x, before, after);
    return Moving.apply(call, 0, (_, x) -> new Tensor[] {padded(call, x, pads, axes, filler)});
  }

  private static Tensor padded(
      Call call, Tensor x, long[] pads, long @Nullable [] axes, Filler filler) {
    int rank = x.rank();
    long[] before = new long[rank];
    long[] after = new long[rank];
    int count = axes == null ? rank : axes.length;
    if (pads.length != 2 * count) {
      throw call.error("needs %d amounts, found %s", 2 * count, Arrays.toString(pads));
    }
    for (int i = 0; i < count; i++) {
      int axis = axes == null ? i : call.axis(axes[i], rank);
      before[axis] = pads[i];
      after[axis] = pads[count + i];
    }
    for (int d = 0; d < rank; d++) {
      long from = Math.max(0, -before[d]);
      long to = x.dim(d) - Math.max(0, -after[d]);
      x = from == 0 && to == x.dim(d) ? x : x.slice(d, from, Math.max(from, to));
      before[d] = Math.max(0, before[d]);
      after[d] = Math.max(0, after[d]);
    }
    return filler.apply(x, before, after);
  }

  /** With the constant of input 2, or 0, around. */
  private static Tensor filled(Call call, Tensor x, long[] before, long[] after) {
    if (!call.has(2)) {
      return surrounded(x, before, after, call.number("value", 0));
    }
    long fill = x.dtype().isInteger() ? call.longs(2)[0] : 0;
    boolean isDouble = Math.abs(fill) <= (1L << 53) && (fill >= 0 || !x.dtype().isUnsigned());
    if (isDouble) {
      return surrounded(x, before, after, call.scalar(2, 0));
    }
    Tensor inside = surrounded(Call.full(1, DType.BOOL, x.shape()), before, after, 0);
    return Tensor.where(
        inside, surrounded(x, before, after, 0), call.in(2).reshape(Shape.scalar()));
  }

  /** A tensor of any dtype with a number around. */
  static Tensor surrounded(Tensor x, long[] before, long[] after, double value) {
    if (Arrays.stream(before).sum() + Arrays.stream(after).sum() == 0) {
      return x;
    }
    return x.dtype() == DType.BOOL
        ? x.to(DType.U8).pad(before, after, value).to(DType.BOOL)
        : x.pad(before, after, value);
  }

  /** With elements of its own around, as the mode says. */
  private static Tensor continued(Call call, Tensor x, long[] before, long[] after) {
    for (int d = 0; d < x.rank(); d++) {
      if (before[d] + after[d] > 0) {
        x = x.gather(d, sources(call, call.text("mode", ""), x.dim(d), before[d], after[d]));
      }
    }
    return x;
  }

  /** Where each element along an axis comes from. */
  private static Tensor sources(Call call, String mode, long size, long before, long after) {
    if (size == 0) {
      throw call.error("an empty dimension has no elements to pad with");
    }
    long[] sources = new long[Math.toIntExact(before + size + after)];
    long period = 2 * (size - 1);
    for (int i = 0; i < sources.length; i++) {
      long at = i - before;
      sources[i] =
          switch (mode) {
            case "edge" -> Math.clamp(at, 0, size - 1);
            case "wrap" -> Math.floorMod(at, size);
            case "reflect" -> {
              long within = period == 0 ? 0 : Math.floorMod(at, period);
              yield within < size ? within : period - within;
            }
            default -> throw call.error("mode '%s' is not known", mode);
          };
    }
    return OnnxValue.longs(Shape.of(sources.length), sources);
  }

  /** The vector 0, 1, ..., count - 1 along one axis of a shape of this rank. */
  static Tensor indices(long count, int axis, int rank) {
    long[] dims = new long[rank];
    Arrays.fill(dims, 1);
    dims[axis] = count;
    return Tensor.arange(count, DType.I64).reshape(Shape.of(dims));
  }

  /** All axes but one, as a list for permute that puts {@code axis} at {@code to}. */
  static int[] moved(int rank, int axis, int to) {
    List<Integer> order = new ArrayList<>();
    for (int d = 0; d < rank; d++) {
      if (d != axis) {
        order.add(d);
      }
    }
    order.add(to, axis);
    return order.stream().mapToInt(Integer::intValue).toArray();
  }
}
