package io.quern.plan;

import io.quern.DType;
import io.quern.op.Layout;
import io.quern.op.TensorSpec;

/** Where a value lies: the layout counts from the start of the memory. */
record Place(Memory memory, DType dtype, Layout layout) {
  static Place contiguous(Memory memory, TensorSpec spec) {
    return new Place(memory, spec.dtype(), Layout.contiguous(spec.shape()));
  }

  /** Bytes from the start of the memory to the first element. */
  long byteOffset() {
    return dtype.byteSize(layout.offset());
  }

  /** This place in {@code memory}, {@code by} elements further, if it is in {@code old}. */
  Place moved(Memory old, Memory memory, long by) {
    return this.memory.equals(old) ? new Place(memory, dtype, layout.moved(by)) : this;
  }

  TensorSpec spec() {
    return new TensorSpec(dtype, layout.shape());
  }

  /** Whether the value is all there is in the memory, in row-major order. */
  boolean isWhole() {
    return layout.isContiguous() && layout.offset() == 0 && memory.bytes() == spec().byteSize();
  }
}
