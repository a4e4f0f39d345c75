package io.quern;

import java.util.Arrays;

/**
 * The sizes of a tensor's dimensions, outermost first. Immutable. A scalar has rank 0; a dimension
 * may be 0.
 */
public final class Shape {
  private static final Shape SCALAR = new Shape(new long[0]);

  private final long[] dims;
  private final long size;

  private Shape(long[] dims) {
    long count = 1;
    boolean empty = false;
    for (long dim : dims) {
      if (dim < 0) {
        throw new IllegalArgumentException(
            "shape: dimensions must not be negative, found " + Arrays.toString(dims));
      }
      empty |= dim == 0;
    }
    if (!empty) {
      for (long dim : dims) {
        if (Math.multiplyHigh(count, dim) != 0 || count * dim < 0) {
          throw new IllegalArgumentException(
              "shape: " + Arrays.toString(dims) + " has more than 2^63 - 1 elements");
        }
        count *= dim;
      }
    }
    this.dims = dims;
    this.size = empty ? 0 : count;
  }

  /** The shape with the given dimensions. */
  public static Shape of(long... dims) {
    return dims.length == 0 ? SCALAR : new Shape(dims.clone());
  }

  /** The shape of a single element without dimensions. */
  public static Shape scalar() {
    return SCALAR;
  }

  /** Number of dimensions. */
  public int rank() {
    return dims.length;
  }

  /** Number of elements: the product of the dimensions, 1 for a scalar. */
  public long size() {
    return size;
  }

  /** Size of dimension {@code axis}; a negative axis counts from the end. */
  public long dim(int axis) {
    return dims[axis(axis)];
  }

  /** Size of dimension {@code axis} as an int; throws when it does not fit. */
  public int intDim(int axis) {
    long dim = dim(axis);
    if (dim > Integer.MAX_VALUE) {
      throw new ArithmeticException(
          "shape: dimension " + axis + " of " + this + " is more than 2^31 - 1");
    }
    return (int) dim;
  }

  /** The dimensions as a fresh array. */
  public long[] toArray() {
    return dims.clone();
  }

  /** {@code axis} counted from the front; throws when it is out of range. */
  public int axis(int axis) {
    int resolved = axis < 0 ? axis + dims.length : axis;
    if (resolved < 0 || resolved >= dims.length) {
      throw new IllegalArgumentException("axis " + axis + " is out of range for shape " + this);
    }
    return resolved;
  }

  /** This shape with dimension {@code axis} replaced. */
  public Shape with(int axis, long dim) {
    long[] copy = dims.clone();
    copy[axis(axis)] = dim;
    return new Shape(copy);
  }

  /** This shape without dimension {@code axis}. */
  public Shape without(int axis) {
    int at = axis(axis);
    long[] copy = new long[dims.length - 1];
    System.arraycopy(dims, 0, copy, 0, at);
    System.arraycopy(dims, at + 1, copy, at, copy.length - at);
    return of(copy);
  }

  /** This shape with a dimension inserted before {@code axis}, which may equal the rank. */
  public Shape insert(int axis, long dim) {
    if (axis < 0 || axis > dims.length) {
      throw new IllegalArgumentException(
          "shape: nothing can be inserted before axis " + axis + " of " + this);
    }
    long[] copy = new long[dims.length + 1];
    System.arraycopy(dims, 0, copy, 0, axis);
    copy[axis] = dim;
    System.arraycopy(dims, axis, copy, axis + 1, dims.length - axis);
    return of(copy);
  }

  /** Dimensions {@code from} (inclusive) to {@code to} (exclusive). */
  public Shape slice(int from, int to) {
    if (from < 0 || from > to || to > dims.length) {
      throw new IllegalArgumentException(
          "shape: " + this + " has no dimensions " + from + " to " + to);
    }
    return of(Arrays.copyOfRange(dims, from, to));
  }

  /** The dimensions of this shape followed by those of {@code other}. */
  public Shape concat(Shape other) {
    long[] all = Arrays.copyOf(dims, dims.length + other.dims.length);
    System.arraycopy(other.dims, 0, all, dims.length, other.dims.length);
    return of(all);
  }

  @Override
  public boolean equals(Object other) {
    return this == other || (other instanceof Shape shape && Arrays.equals(dims, shape.dims));
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(dims);
  }

  @Override
  public String toString() {
    return Arrays.toString(dims);
  }
}
