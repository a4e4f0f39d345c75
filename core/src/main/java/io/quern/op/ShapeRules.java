package io.quern.op;

import io.quern.Shape;
import java.util.List;

/** Shape arithmetic that several ops share. */
public final class ShapeRules {
  private ShapeRules() {}

  /**
   * NumPy broadcasting: shapes are aligned at the last dimension, and a dimension of size 1 takes
   * the size of its partner.
   */
  public static Shape broadcast(String op, Shape left, Shape right) {
    if (left.equals(right)) {
      return left;
    }
    int rank = Math.max(left.rank(), right.rank());
    long[] dims = new long[rank];
    for (int d = 1; d <= rank; d++) {
      long l = d <= left.rank() ? left.dim(-d) : 1;
      long r = d <= right.rank() ? right.dim(-d) : 1;
      OpCheck.require(
          l == r || l == 1 || r == 1, op, "shapes %s and %s do not broadcast", left, right);
      dims[rank - d] = l == 1 ? r : l;
    }
    return Shape.of(dims);
  }

  /** {@code shape} with {@code axes} reduced to 1, or removed. */
  static Shape reduce(String op, Shape shape, List<Integer> axes, boolean keepDims) {
    boolean[] reduced = new boolean[shape.rank()];
    for (int axis : axes) {
      int at = OpCheck.axis(op, shape, axis);
      OpCheck.require(!reduced[at], op, "axis %d is listed twice", axis);
      reduced[at] = true;
    }
    Shape result = Shape.scalar();
    for (int d = 0; d < shape.rank(); d++) {
      if (!reduced[d]) {
        result = result.insert(result.rank(), shape.dim(d));
      } else if (keepDims) {
        result = result.insert(result.rank(), 1);
      }
    }
    return result;
  }

  /** Output length of a window that slides over {@code input} elements. */
  static long window(
      String op, long input, int kernel, int stride, int before, int after, int dilation) {
    long span = (long) dilation * (kernel - 1) + 1;
    long room = input + before + after - span;
    OpCheck.require(
        room >= 0,
        op,
        "window of %d (dilation %d) does not fit into %d elements with padding %d and %d",
        kernel,
        dilation,
        input,
        before,
        after);
    return room / stride + 1;
  }
}
