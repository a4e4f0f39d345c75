package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;

/** ScatterElements and ScatterND on known tensors. */
final class Scatters {
  private Scatters() {}

  /** Target elements, and how new ones are combined with them. */
  private static final class Target {
    private final Call call;
    private final Tensor data;
    private final String reduction;
    private final double[] numbers;
    private final long[] integers;

    Target(Call call) {
      this.call = call;
      this.data = call.known(0);
      this.reduction = call.text("reduction", "none");
      boolean isFloat = data.dtype().isFloat();
      this.numbers = isFloat ? data.toDoubleArray() : new double[0];
      this.integers = isFloat ? new long[0] : data.toLongArray();
    }

    boolean isFloat() {
      return data.dtype().isFloat();
    }

    void put(int at, double value) {
      double old = numbers[at];
      numbers[at] =
          switch (reduction) {
            case "none" -> value;
            case "add" -> old + value;
            case "mul" -> old * value;
            case "max" -> Math.max(old, value);
            case "min" -> Math.min(old, value);
            default -> throw call.error("reduction '%s' is not known", reduction);
          };
    }

    void put(int at, long value) {
      long old = integers[at];
      boolean unsigned = data.dtype() == DType.U64;
      int order = unsigned ? Long.compareUnsigned(old, value) : Long.compare(old, value);
      integers[at] =
          switch (reduction) {
            case "none" -> value;
            case "add" -> old + value;
            case "mul" -> old * value;
            case "max" -> order >= 0 ? old : value;
            case "min" -> order <= 0 ? old : value;
            default -> throw call.error("reduction '%s' is not known", reduction);
          };
    }

    OnnxValue[] result() {
      Tensor result =
          isFloat()
              ? OnnxValue.doubles(data.dtype(), data.shape(), numbers)
              : OnnxValue.longs(data.shape(), integers).to(data.dtype());
      return new OnnxValue[] {new OnnxValue.Dense(result, call.dense(0).type())};
    }

    /** Puts the updates from {@code from} on at {@code at} and what follows. */
    void put(Tensor updates, int from, int at, int count) {
      if (isFloat()) {
        double[] values = updates.toDoubleArray();
        for (int i = 0; i < count; i++) {
          put(at + i, values[from + i]);
        }
      } else {
        long[] values = updates.toLongArray();
        for (int i = 0; i < count; i++) {
          put(at + i, values[from + i]);
        }
      }
    }
  }

  static OnnxValue[] elements(Call call) {
    Target target = new Target(call);
    Shape shape = target.data.shape();
    int axis = call.axis(call.integer("axis", 0), shape.rank());
    Tensor updates = call.known(2);
    Shape places = call.in(1).shape();
    requireWithin(call, places, shape, axis, updates.shape());
    long[] indices = call.longs(1);
    double[] numbers = target.isFloat() ? updates.toDoubleArray() : new double[0];
    long[] integers = target.isFloat() ? new long[0] : updates.toLongArray();
    long[] strides = IndexOps.strides(shape);
    for (int i = 0; i < indices.length; i++) {
      long rest = i;
      long at = index(call, indices[i], shape.dim(axis)) * strides[axis];
      for (int d = places.rank() - 1; d >= 0; d--) {
        at += d == axis ? 0 : rest % places.dim(d) * strides[d];
        rest /= places.dim(d);
      }
      if (target.isFloat()) {
        target.put((int) at, numbers[i]);
      } else {
        target.put((int) at, integers[i]);
      }
    }
    return target.result();
  }

  private static void requireWithin(Call call, Shape places, Shape shape, int axis, Shape updates) {
    boolean fits = places.rank() == shape.rank() && updates.equals(places);
    for (int d = 0; fits && d < shape.rank(); d++) {
      fits = d == axis || places.dim(d) <= shape.dim(d);
    }
    if (!fits) {
      throw call.error("indices %s and updates %s do not fit %s", places, updates, shape);
    }
  }

  private static long index(Call call, long index, long size) {
    if (index < -size || index >= size) {
      throw call.error("index %d is out of range for size %d", index, size);
    }
    return index < 0 ? index + size : index;
  }

  static OnnxValue[] nd(Call call) {
    Target target = new Target(call);
    Shape shape = target.data.shape();
    Shape places = call.in(1).shape();
    int depth = places.intDim(-1);
    Tensor updates = call.known(2);
    if (depth > shape.rank()) {
      throw call.error("indices %s do not fit %s", places, shape);
    }
    Shape expected = places.slice(0, places.rank() - 1).concat(shape.slice(depth, shape.rank()));
    if (!updates.shape().equals(expected)) {
      throw call.error("updates must have shape %s, found %s", expected, updates.shape());
    }
    long[] indices = call.longs(1);
    long[] strides = IndexOps.strides(shape);
    int count = (int) shape.slice(depth, shape.rank()).size();
    int rows = (int) places.slice(0, places.rank() - 1).size();
    Tensor flat = updates.reshape(rows, count);
    for (int row = 0; row < rows; row++) {
      long at = 0;
      for (int d = 0; d < depth; d++) {
        at += index(call, indices[row * depth + d], shape.dim(d)) * strides[d];
      }
      target.put(flat.select(0, row), 0, (int) at, count);
    }
    return target.result();
  }
}
