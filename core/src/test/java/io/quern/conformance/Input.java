package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Layout;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * One input of a case: a contiguous tensor and the views through which the op sees it.
 *
 * @param base the tensor in memory
 */
public record Input(TensorSpec base, Values values, List<View> views) {
  /** A contiguous input. */
  public static Input of(DType dtype, Shape shape, Values values) {
    return new Input(new TensorSpec(dtype, shape), values, List.of());
  }

  /** How an input lies in memory. */
  public enum Form {
    PLAIN,
    /** The dimensions are stored in reverse order. */
    PERMUTED,
    /** A part of a tensor that is larger in every dimension. */
    SLICED,
    /** Every second element of the last dimension. */
    STEPPED,
    /** The last dimension backwards. */
    FLIPPED,
    /** The first dimension repeats one slice. */
    EXPANDED
  }

  /** An input that the op sees as {@code shape}. */
  public static Input of(DType dtype, Shape shape, Values values, Form form) {
    int rank = shape.rank();
    if (rank == 0) {
      return of(dtype, shape, values);
    }
    return switch (form) {
      case PLAIN -> of(dtype, shape, values);
      case PERMUTED -> {
        List<Integer> reversed = IntStream.range(0, rank).mapToObj(d -> rank - 1 - d).toList();
        Shape base = new View.Permute(reversed).infer(shape);
        yield new Input(new TensorSpec(dtype, base), values, List.of(new View.Permute(reversed)));
      }
      case SLICED -> {
        Shape base = shape;
        List<View> views = new java.util.ArrayList<>();
        for (int d = 0; d < rank; d++) {
          base = base.with(d, shape.dim(d) + 3);
          views.add(new View.Slice(d, 1 + d % 2, shape.dim(d), 1));
        }
        yield new Input(new TensorSpec(dtype, base), values, views);
      }
      case STEPPED ->
          new Input(
              new TensorSpec(dtype, shape.with(-1, 2 * shape.dim(-1) + 1)),
              values,
              List.of(new View.Slice(-1, 1, shape.dim(-1), 2)));
      case FLIPPED -> new Input(new TensorSpec(dtype, shape), values, List.of(new View.Flip(-1)));
      case EXPANDED ->
          new Input(
              new TensorSpec(dtype, shape.with(0, 1)), values, List.of(new View.Expand(shape)));
    };
  }

  /** This input with the base in double precision when it is of another float type. */
  Input inDouble() {
    return base.dtype().isFloat() ? new Input(base.with(DType.F64), values, views) : this;
  }

  /** The tensor in memory. */
  HostArray draw(SplittableRandom random) {
    int count = Math.toIntExact(base.shape().size());
    return HostArray.rounded(base, values.draw(base.dtype(), count, random));
  }

  /** Layout of what the op sees. */
  Layout layout() {
    Layout layout = Layout.contiguous(base.shape());
    for (View view : views) {
      layout = view.apply(layout);
    }
    return layout;
  }

  /** What the op sees. */
  TensorSpec spec() {
    return base.with(layout().shape());
  }

  /** The elements that the op sees of {@code base}. */
  HostArray through(HostArray array) {
    return views.isEmpty() ? array : Oracle.read(array, layout());
  }
}
