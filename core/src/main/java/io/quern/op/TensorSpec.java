package io.quern.op;

import io.quern.DType;
import io.quern.Shape;

/** What is known of a tensor before it has a value: element type and shape. */
public record TensorSpec(DType dtype, Shape shape) {
  /** Bytes of a contiguous tensor of this kind. */
  public long byteSize() {
    try {
      return dtype.byteSize(shape.size());
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException("tensor: " + this + " has more than 2^63 - 1 bytes", e);
    }
  }

  /** This spec with another shape. */
  public TensorSpec with(Shape newShape) {
    return new TensorSpec(dtype, newShape);
  }

  /** This spec with another element type. */
  public TensorSpec with(DType newDtype) {
    return new TensorSpec(newDtype, shape);
  }

  @Override
  public String toString() {
    return dtype + shape.toString();
  }
}
