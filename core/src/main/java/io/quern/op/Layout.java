package io.quern.op;

import io.quern.Shape;
import java.util.Arrays;
import java.util.Optional;

/**
 * Where the elements of a tensor lie in its buffer: element {@code i} is found at {@code offset +
 * sum(i[d] * stride[d])}, all counted in elements. Immutable.
 *
 * <p>Views are changes of layout only. A broadcast dimension has stride 0, a flipped one a negative
 * stride.
 */
public final class Layout {
  private final Shape shape;
  private final long[] strides;
  private final long offset;
  private final boolean contiguous;

  private Layout(Shape shape, long[] strides, long offset) {
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    this.contiguous = isRowMajor(shape, strides);
  }

  /** Row-major layout that starts at the beginning of its buffer. */
  public static Layout contiguous(Shape shape) {
    return new Layout(shape, rowMajorStrides(shape), 0);
  }

  private static long[] rowMajorStrides(Shape shape) {
    long[] strides = new long[shape.rank()];
    long stride = 1;
    for (int d = strides.length - 1; d >= 0; d--) {
      strides[d] = stride;
      stride *= Math.max(1, shape.dim(d));
    }
    return strides;
  }

  private static boolean isRowMajor(Shape shape, long[] strides) {
    long expected = 1;
    for (int d = strides.length - 1; d >= 0; d--) {
      if (shape.dim(d) != 1) {
        if (strides[d] != expected) {
          return shape.size() == 0;
        }
        expected *= shape.dim(d);
      }
    }
    return true;
  }

  public Shape shape() {
    return shape;
  }

  public int rank() {
    return strides.length;
  }

  /** Elements between neighbours along {@code axis}; a negative axis counts from the end. */
  public long stride(int axis) {
    return strides[shape.axis(axis)];
  }

  /** Position of the first element, in elements from the start of the buffer. */
  public long offset() {
    return offset;
  }

  /** Whether the elements lie in row-major order without gaps. */
  public boolean isContiguous() {
    return contiguous;
  }

  /** Lowest element position that is touched, counted from the start of the buffer. */
  public long lowest() {
    long low = offset;
    for (int d = 0; d < strides.length; d++) {
      low += Math.min(0, strides[d] * Math.max(0, shape.dim(d) - 1));
    }
    return low;
  }

  /** Highest element position that is touched, counted from the start of the buffer. */
  public long highest() {
    long high = offset;
    for (int d = 0; d < strides.length; d++) {
      high += Math.max(0, strides[d] * Math.max(0, shape.dim(d) - 1));
    }
    return high;
  }

  /** Elements from the lowest to the highest that is touched, 0 when there are none. */
  public long span() {
    return shape.size() == 0 ? 0 : highest() - lowest() + 1;
  }

  /** Dimensions in the order of {@code axes}. */
  public Layout permute(int... axes) {
    long[] dims = new long[axes.length];
    long[] moved = new long[axes.length];
    for (int d = 0; d < axes.length; d++) {
      dims[d] = shape.dim(axes[d]);
      moved[d] = strides[axes[d]];
    }
    return new Layout(Shape.of(dims), moved, offset);
  }

  /** Broadcasts to {@code target}, aligned at the last dimension; sizes must be compatible. */
  public Layout expand(Shape target) {
    long[] expanded = new long[target.rank()];
    int lead = target.rank() - rank();
    for (int d = 0; d < rank(); d++) {
      expanded[lead + d] = shape.dim(d) == target.dim(lead + d) ? strides[d] : 0;
    }
    return new Layout(target, expanded, offset);
  }

  /** Every {@code step}-th element of {@code axis} from {@code start}, {@code count} of them. */
  public Layout slice(int axis, long start, long count, long step) {
    long[] stepped = strides.clone();
    stepped[axis] *= step;
    long at = count == 0 ? offset : offset + start * strides[axis];
    return new Layout(shape.with(axis, count), stepped, at);
  }

  /** The same elements {@code by} positions further. */
  public Layout moved(long by) {
    return new Layout(shape, strides, offset + by);
  }

  /** Reverses {@code axis}. */
  public Layout flip(int axis) {
    long[] flipped = strides.clone();
    flipped[axis] = -flipped[axis];
    return new Layout(shape, flipped, offset + Math.max(0, shape.dim(axis) - 1) * strides[axis]);
  }

  /** The same elements in row-major order under another shape, when no copy is needed for it. */
  public Optional<Layout> reshape(Shape target) {
    if (contiguous) {
      return Optional.of(new Layout(target, rowMajorStrides(target), offset));
    }
    long[] reshaped = new long[target.rank()];
    int axis = rank();
    long left = 1;
    long stride = 1;
    for (int to = target.rank() - 1; to >= 0; to--) {
      long dim = target.dim(to);
      if (dim == 1) {
        continue;
      }
      if (left == 1) {
        // The next run of source dimensions that follow each other without gaps.
        do {
          axis--;
        } while (shape.dim(axis) == 1);
        left = shape.dim(axis);
        stride = strides[axis];
        while (axis > 0 && (shape.dim(axis - 1) == 1 || strides[axis - 1] == stride * left)) {
          axis--;
          left *= shape.dim(axis);
        }
      }
      if (left % dim != 0) {
        return Optional.empty();
      }
      reshaped[to] = stride;
      stride *= dim;
      left /= dim;
    }
    return Optional.of(new Layout(target, reshaped, offset));
  }

  /** Whether shape and strides are the same; the offset may differ. */
  public boolean sameGeometry(Layout other) {
    return shape.equals(other.shape) && Arrays.equals(strides, other.strides);
  }

  /** Hash of shape and strides, without the offset. */
  public int geometryHash() {
    return 31 * shape.hashCode() + Arrays.hashCode(strides);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Layout layout && offset == layout.offset && sameGeometry(layout);
  }

  @Override
  public int hashCode() {
    return 31 * geometryHash() + Long.hashCode(offset);
  }

  @Override
  public String toString() {
    return shape + " strides " + Arrays.toString(strides) + " offset " + offset;
  }
}
