package io.quern.cuda;

import io.quern.Shape;

/** A shape as [outer, size, inner], with one axis in the middle. */
record AxisShape(long outer, long size, long inner) {
  static AxisShape of(Shape shape, int axis) {
    int at = shape.axis(axis);
    return new AxisShape(
        shape.slice(0, at).size(), shape.dim(at), shape.slice(at + 1, shape.rank()).size());
  }

  /** Number of lanes along the axis. */
  long lanes() {
    return outer * inner;
  }
}
