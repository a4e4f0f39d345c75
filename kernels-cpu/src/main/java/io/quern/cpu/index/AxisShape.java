package io.quern.cpu.index;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.op.OpCheck;
import io.quern.runtime.Raw;

/** A tensor as [outer, axis, inner], indexed along the middle. */
record AxisShape(String op, long outer, long size, long inner, boolean wide) {
  static AxisShape of(KernelKey key, Shape data, int axis, DType index) {
    int at = data.axis(axis);
    return new AxisShape(
        key.op().name(),
        data.slice(0, at).size(),
        data.dim(at),
        data.slice(at + 1, data.rank()).size(),
        index == DType.I64);
  }

  /** Index number {@code i}, checked. */
  long index(long indices, long i) {
    long index = wide ? Raw.getLong(indices + 8 * i) : Raw.getInt(indices + 4 * i);
    OpCheck.element(op, index, size);
    return index;
  }
}
