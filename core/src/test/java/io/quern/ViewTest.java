package io.quern;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Chains of views of tensors against arithmetic on the indices of their elements. */
class ViewTest {
  /** A tensor and, in row-major order, what its elements must be. */
  private static final class Seen {
    private final Tensor tensor;
    private final long[] elements;

    Seen(Tensor tensor, long[] elements) {
      this.tensor = tensor;
      this.elements = elements;
    }
  }

  /** One step of a chain; what it does follows from these numbers and the tensor. */
  record Step(int kind, int axis, int other, int size) {}

  @Provide
  Arbitrary<List<Step>> steps() {
    Arbitrary<Integer> number = Arbitraries.integers().between(0, 11);
    return Combinators.combine(Arbitraries.integers().between(0, 7), number, number, number)
        .as(Step::new)
        .list()
        .ofMaxSize(7);
  }

  @Provide
  Arbitrary<long[]> dims() {
    return Arbitraries.longs().between(0, 4).array(long[].class).ofMinSize(1).ofMaxSize(4);
  }

  @Property(tries = 500)
  void chainsOfViewsSeeTheRightElementsOfTheSameMemory(
      @ForAll("dims") long[] dims, @ForAll("steps") List<Step> steps) {
    try (var _ = TensorScope.open()) {
      Shape shape = Shape.of(dims);
      Tensor base = Tensor.arange(shape.size(), DType.I64).reshape(shape);
      Seen seen = new Seen(base, base.toLongArray());
      boolean shared = true;
      for (Step step : steps) {
        Seen next = apply(seen, step);
        boolean stays = next.tensor.storage() == seen.tensor.storage();
        // Only a reshape that no strides can express may copy.
        assertThat(stays || seen.tensor.layout().reshape(next.tensor.shape()).isEmpty()).isTrue();
        shared &= stays;
        seen = next;
        assertThat(seen.tensor.toLongArray()).as(step.toString()).isEqualTo(seen.elements);
      }
      base.copyFrom(base.add(1000));
      long change = shared ? 1000 : 0;
      assertThat(seen.tensor.toLongArray())
          .isEqualTo(Arrays.stream(seen.elements).map(x -> x + change).toArray());
    }
  }

  private static Seen apply(Seen from, Step step) {
    Tensor tensor = from.tensor;
    int rank = tensor.rank();
    if (rank == 0) {
      return new Seen(tensor.unsqueeze(-1), from.elements);
    }
    int axis = step.axis % rank;
    int named = step.other % 2 == 0 ? axis : axis - rank;
    long dim = tensor.dim(axis);
    return switch (step.kind) {
      case 0 -> {
        long[] to = split(tensor.shape(), axis, step.size);
        if (tensor.size() > 0) {
          to[step.other % to.length] = -1;
        }
        yield new Seen(tensor.reshape(to), from.elements);
      }
      case 1 -> {
        int other = step.other % rank;
        yield picked(
            from, tensor.transpose(named, other - rank), index -> swapped(index, axis, other));
      }
      case 2 -> {
        int[] axes = new int[rank];
        Arrays.setAll(axes, d -> (d + step.size) % rank - (d % 2 == 0 ? rank : 0));
        yield picked(
            from,
            tensor.permute(axes),
            index -> {
              long[] original = new long[rank];
              for (int d = 0; d < rank; d++) {
                original[(d + step.size) % rank] = index[d];
              }
              return original;
            });
      }
      case 3 -> {
        Shape wide = Shape.of(2).concat(dim == 1 ? tensor.shape().with(axis, 3) : tensor.shape());
        yield picked(
            from,
            tensor.expand(wide),
            index -> {
              long[] original = Arrays.copyOfRange(index, 1, index.length);
              original[axis] = dim == 1 ? 0 : original[axis];
              return original;
            });
      }
      case 4 -> {
        long first = dim == 0 ? 0 : step.other % dim;
        long stride = 1L + step.size % 3;
        yield picked(
            from,
            tensor.slice(named, first, dim, stride),
            index -> changed(index, axis, first + stride * index[axis]));
      }
      case 5 -> {
        long last = dim == 0 ? 0 : step.size % (dim + 1);
        yield picked(from, tensor.slice(named, 0, last), long[]::clone);
      }
      case 6 ->
          picked(from, tensor.flip(named), index -> changed(index, axis, dim - 1 - index[axis]));
      default -> {
        if (dim == 0) {
          yield from;
        }
        long at = step.size % dim;
        yield picked(
            from,
            tensor.select(named, at),
            index -> {
              long[] original = new long[rank];
              for (int d = 0; d < rank; d++) {
                original[d] = d == axis ? at : index[d < axis ? d : d - 1];
              }
              return original;
            });
      }
    };
  }

  /** The shape with one dimension split in two where that works out, else as one dimension. */
  private static long[] split(Shape shape, int axis, int parts) {
    long dim = shape.dim(axis);
    return parts > 0 && dim % parts == 0
        ? shape.with(axis, parts).insert(axis + 1, dim / parts).toArray()
        : new long[] {shape.size()};
  }

  private static long[] swapped(long[] index, int first, int second) {
    long[] original = index.clone();
    original[first] = index[second];
    original[second] = index[first];
    return original;
  }

  private static long[] changed(long[] index, int axis, long value) {
    long[] original = index.clone();
    original[axis] = value;
    return original;
  }

  /** Element {@code index} of {@code to} must be element {@code source(index)} of {@code from}. */
  private static Seen picked(Seen from, Tensor to, Function<long[], long[]> source) {
    long[] elements = new long[Math.toIntExact(to.size())];
    long[] index = new long[to.rank()];
    for (int i = 0; i < elements.length; i++) {
      long linear = 0;
      long[] original = source.apply(index);
      for (int d = 0; d < original.length; d++) {
        linear = linear * from.tensor.dim(d) + original[d];
      }
      elements[i] = from.elements[(int) linear];
      for (int d = index.length - 1; d >= 0 && ++index[d] == to.dim(d); d--) {
        index[d] = 0;
      }
    }
    return new Seen(to, elements);
  }
}
