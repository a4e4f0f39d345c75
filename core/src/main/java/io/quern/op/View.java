package io.quern.op;

import io.quern.Shape;
import java.util.ArrayList;
import java.util.List;

/** Ops that only change the layout: no element is moved, the result shares the input's memory. */
public sealed interface View extends Op {
  /** The layout of the result, given that of the input. */
  Layout apply(Layout input);

  @Override
  default List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec input = inputs.getFirst();
    return List.of(input.with(infer(input.shape())));
  }

  /** Shape of the result, given that of the input. */
  Shape infer(Shape input);

  /**
   * The same elements in row-major order under another shape. Only layouts that allow it without a
   * copy are accepted by {@link #apply}.
   */
  record Reshape(Shape shape) implements View {
    @Override
    public String name() {
      return "reshape";
    }

    @Override
    public Shape infer(Shape input) {
      OpCheck.require(
          input.size() == shape.size(),
          name(),
          "%s has %d elements, %s has %d",
          input,
          input.size(),
          shape,
          shape.size());
      return shape;
    }

    @Override
    public Layout apply(Layout input) {
      return input.reshape(shape).orElseThrow();
    }
  }

  /** Dimension {@code d} of the result is dimension {@code axes[d]} of the input. */
  record Permute(List<Integer> axes) implements View {
    public Permute {
      axes = List.copyOf(axes);
    }

    /** Exchanges the last two of {@code rank} dimensions, 2 or more: transposes matrices. */
    public static Permute transposing(int rank) {
      List<Integer> axes = new ArrayList<>();
      for (int d = 0; d < rank - 2; d++) {
        axes.add(d);
      }
      axes.add(rank - 1);
      axes.add(rank - 2);
      return new Permute(axes);
    }

    @Override
    public String name() {
      return "permute";
    }

    @Override
    public Shape infer(Shape input) {
      OpCheck.require(
          axes.size() == input.rank()
              && axes.stream().distinct().count() == axes.size()
              && axes.stream().allMatch(axis -> axis >= 0 && axis < input.rank()),
          name(),
          "axes %s are not a permutation of the dimensions of %s",
          axes,
          input);
      return apply(Layout.contiguous(input)).shape();
    }

    @Override
    public Layout apply(Layout input) {
      return input.permute(axes.stream().mapToInt(Integer::intValue).toArray());
    }

    /** The permutation that undoes this one. */
    public Permute inverse() {
      List<Integer> inverse = new ArrayList<>();
      for (int d = 0; d < axes.size(); d++) {
        inverse.add(axes.indexOf(d));
      }
      return new Permute(inverse);
    }
  }

  /** Broadcasts to {@code shape} by NumPy's rules. */
  record Expand(Shape shape) implements View {
    @Override
    public String name() {
      return "expand";
    }

    @Override
    public Shape infer(Shape input) {
      OpCheck.require(
          ShapeRules.broadcast(name(), input, shape).equals(shape),
          name(),
          "%s does not broadcast to %s",
          input,
          shape);
      return shape;
    }

    @Override
    public Layout apply(Layout input) {
      return input.expand(shape);
    }
  }

  /** Elements {@code start, start + step, ...} of one axis, {@code count} of them; step >= 1. */
  record Slice(int axis, long start, long count, long step) implements View {
    @Override
    public String name() {
      return "slice";
    }

    @Override
    public Shape infer(Shape input) {
      int at = OpCheck.axis(name(), input, axis);
      boolean fits =
          start >= 0
              && count >= 0
              && step >= 1
              && (count == 0
                  || (start < input.dim(at) && count - 1 <= (input.dim(at) - 1 - start) / step));
      OpCheck.require(
          fits,
          name(),
          "start %d, count %d, step %d do not fit axis %d of shape %s",
          start,
          count,
          step,
          axis,
          input);
      return input.with(at, count);
    }

    @Override
    public Layout apply(Layout input) {
      return input.slice(input.shape().axis(axis), start, count, step);
    }
  }

  /** Reverses the order of the elements along one axis. */
  record Flip(int axis) implements View {
    @Override
    public String name() {
      return "flip";
    }

    @Override
    public Shape infer(Shape input) {
      OpCheck.axis(name(), input, axis);
      return input;
    }

    @Override
    public Layout apply(Layout input) {
      return input.flip(input.shape().axis(axis));
    }
  }
}
