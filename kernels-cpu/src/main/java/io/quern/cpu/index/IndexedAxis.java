package io.quern.cpu.index;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.op.AxisShape;
import io.quern.op.OpCheck;
import io.quern.runtime.Raw;

/** A tensor that is indexed along an axis. */
record IndexedAxis(String op, AxisShape shape, boolean wide) {
  static IndexedAxis of(KernelKey key, Shape data, int axis, DType index) {
    return new IndexedAxis(key.op().name(), AxisShape.of(data, axis), index == DType.I64);
  }

  long outer() {
    return shape.outer();
  }

  long size() {
    return shape.size();
  }

  long inner() {
    return shape.inner();
  }

  /** Index number {@code i}, checked. */
  long index(long indices, long i) {
    long index = wide ? Raw.getLong(indices + 8 * i) : Raw.getInt(indices + 4 * i);
    OpCheck.element(op, index, size());
    return index;
  }
}
