package io.quern.op;

import io.quern.Shape;

/**
 * A contiguous tensor as [outer, axis, inner]: a lane is what lies along the axis.
 *
 * @param size elements of a lane
 * @param inner elements between neighbours of a lane
 */
public record AxisShape(long outer, long size, long inner) {
  /** The shape around {@code axis}. */
  public static AxisShape of(Shape shape, int axis) {
    int at = shape.axis(axis);
    return new AxisShape(
        shape.slice(0, at).size(), shape.dim(at), shape.slice(at + 1, shape.rank()).size());
  }

  /** Number of lanes. */
  public long lanes() {
    return outer * inner;
  }

  /** Elements before the first one of a lane, where lanes are {@code length} long. */
  public long start(long lane, long length) {
    long before = lane / inner;
    return before * length * inner + (lane - before * inner);
  }
}
