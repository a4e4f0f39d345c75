package io.quern.serve;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.op.TensorSpec;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What the model gave for one example: a part of a batch's result, which is never written again.
 */
record Row(MemorySegment bytes, TensorSpec spec) {
  /** The elements converted to float, in a fresh array. */
  float[] toFloatArray() {
    if (spec.dtype() == DType.F32) {
      return bytes.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }
    try (Tensor tensor = toTensor()) {
      return tensor.toFloatArray();
    }
  }

  /** A fresh tensor. */
  Tensor toTensor() {
    return Tensor.fromSegment(bytes, spec.dtype(), spec.shape());
  }
}
