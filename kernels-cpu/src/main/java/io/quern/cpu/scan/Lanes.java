package io.quern.cpu.scan;

import io.quern.Shape;

/**
 * A contiguous tensor of floats as [outer, axis, inner]: a lane is what lies along the axis.
 *
 * @param length elements of a lane
 * @param inner elements between neighbours of a lane
 */
record Lanes(long outer, long length, long inner) {
  static Lanes of(Shape shape, int axis) {
    int at = shape.axis(axis);
    return new Lanes(
        shape.slice(0, at).size(), shape.dim(at), shape.slice(at + 1, shape.rank()).size());
  }

  /** Number of lanes. */
  long count() {
    return outer * inner;
  }

  /** Elements before the first one of a lane, where lanes are {@code size} long. */
  long start(long lane, long size) {
    long before = lane / inner;
    return before * size * inner + (lane - before * inner);
  }
}
