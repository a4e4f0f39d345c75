package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/** Every check of an op's arguments, with the message that a caller gets when it fails. */
public final class OpCheck {
  private OpCheck() {}

  /** Throws {@code op: message} when {@code holds} is false. */
  static void require(boolean holds, String op, String format, Object... arguments) {
    if (!holds) {
      throw new IllegalArgumentException(op + ": " + String.format(format, arguments));
    }
  }

  static void inputCount(String op, List<TensorSpec> inputs, int expected) {
    inputCount(op, inputs, expected, expected);
  }

  static void inputCount(String op, List<TensorSpec> inputs, int least, int most) {
    require(
        inputs.size() >= least && inputs.size() <= most,
        op,
        "takes %s inputs, found %d",
        least == most ? least : least + " to " + most,
        inputs.size());
  }

  static void sameDType(String op, List<TensorSpec> inputs) {
    DType first = inputs.getFirst().dtype();
    for (TensorSpec input : inputs) {
      require(
          input.dtype() == first,
          op,
          "dtypes differ, found %s; convert one side with to(DType)",
          inputs);
    }
  }

  /** A float dtype. */
  public static void floating(String op, TensorSpec input) {
    require(
        input.dtype().isFloat(),
        op,
        "needs a float dtype, found %s; convert it with to(DType)",
        input);
  }

  static void numeric(String op, TensorSpec input) {
    require(
        input.dtype() != DType.BOOL,
        op,
        "needs a numeric dtype, found %s; convert it with to(DType)",
        input);
  }

  static void index(String op, TensorSpec input) {
    require(
        input.dtype() == DType.I64 || input.dtype() == DType.I32,
        op,
        "indices must be I64 or I32, found %s",
        input);
  }

  /** A number that elements can be; see {@link DType#represents}. */
  public static void number(String op, double value, TensorSpec spec) {
    require(
        spec.dtype().represents(value),
        op,
        "%s is not a number of %s; convert the tensor with to(DType)",
        value,
        spec);
  }

  static void rank(String op, String role, TensorSpec input, int expected) {
    require(
        input.shape().rank() == expected,
        op,
        "%s must have rank %d, found %s",
        role,
        expected,
        input.shape());
  }

  static void shape(String op, String role, Shape found, Shape expected) {
    require(found.equals(expected), op, "%s must have shape %s, found %s", role, expected, found);
  }

  /** An axis of a shape, which is given counted from the front. */
  public static int axis(String op, Shape shape, int axis) {
    require(
        axis >= -shape.rank() && axis < shape.rank(),
        op,
        "axis %d is out of range for shape %s",
        axis,
        shape);
    return axis < 0 ? axis + shape.rank() : axis;
  }

  /**
   * Checks the inputs of a convolution with a window of the shape {@code kernel}; gives the number
   * of its filters.
   */
  static long convolution(String op, List<TensorSpec> inputs, Shape kernel, int groups) {
    inputCount(op, inputs, 2, 3);
    sameDType(op, inputs);
    TensorSpec input = inputs.get(0);
    TensorSpec weight = inputs.get(1);
    floating(op, input);
    rank(op, "the input", input, kernel.rank() + 2);
    rank(op, "the weight", weight, kernel.rank() + 2);
    long channels = input.shape().dim(1);
    long filters = weight.shape().dim(0);
    require(
        groups >= 1 && channels % groups == 0 && filters % groups == 0,
        op,
        "%d groups do not divide %d input and %d output channels",
        groups,
        channels,
        filters);
    Shape expected = Shape.of(filters, channels / groups).concat(kernel);
    shape(op, "the weight", weight.shape(), expected);
    if (inputs.size() == 3) {
      shape(op, "the bias", inputs.get(2).shape(), Shape.of(filters));
    }
    return filters;
  }

  /** Checks an index that was read from a tensor; backends call it from their kernels. */
  public static void element(String op, long index, long size) {
    if (index < 0 || index >= size) {
      throw new IndexOutOfBoundsException(
          op + ": index " + index + " is out of range, expected 0 to " + (size - 1));
    }
  }
}
