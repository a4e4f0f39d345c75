package io.quern.op;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Layouts of views against the positions of their elements, one by one. */
class LayoutTest {
  /** A change of layout, and what it does to the positions of all elements in row-major order. */
  private static final class Viewed {
    private final Layout layout;
    private final long[] positions;

    Viewed(Layout layout, long[] positions) {
      this.layout = layout;
      this.positions = positions;
    }
  }

  /** Positions of all elements in row-major order, straight from the definition. */
  private static long[] positions(Layout layout) {
    long[] positions = new long[Math.toIntExact(layout.shape().size())];
    long[] index = new long[layout.rank()];
    for (int i = 0; i < positions.length; i++) {
      positions[i] = layout.offset();
      for (int d = 0; d < index.length; d++) {
        positions[i] += index[d] * layout.stride(d);
      }
      for (int d = index.length - 1; d >= 0 && ++index[d] == layout.shape().dim(d); d--) {
        index[d] = 0;
      }
    }
    return positions;
  }

  /** Element i of the result is element {@code source.at(index of i)} of the viewed one. */
  private interface Source {
    long[] at(long[] index);
  }

  private static long[] picked(Viewed from, Shape to, Source source) {
    long[] positions = new long[Math.toIntExact(to.size())];
    long[] index = new long[to.rank()];
    for (int i = 0; i < positions.length; i++) {
      long linear = 0;
      long[] original = source.at(index);
      for (int d = 0; d < original.length; d++) {
        linear = linear * from.layout.shape().dim(d) + original[d];
      }
      positions[i] = from.positions[(int) linear];
      for (int d = index.length - 1; d >= 0 && ++index[d] == to.dim(d); d--) {
        index[d] = 0;
      }
    }
    return positions;
  }

  private static Viewed step(Viewed from, int kind, int axis, int seed) {
    Shape shape = from.layout.shape();
    if (shape.rank() == 0) {
      return from;
    }
    int at = axis % shape.rank();
    return switch (kind) {
      case 0 -> flip(from, at);
      case 1 -> slice(from, at, seed);
      case 2 -> swap(from, at, seed % shape.rank());
      default -> expand(from, at, 1 + seed % 3);
    };
  }

  private static Viewed flip(Viewed from, int axis) {
    Shape shape = from.layout.shape();
    return new Viewed(
        from.layout.flip(axis),
        picked(from, shape, index -> with(index, axis, shape.dim(axis) - 1 - index[axis])));
  }

  private static Viewed slice(Viewed from, int axis, int seed) {
    long dim = from.layout.shape().dim(axis);
    long start = dim == 0 ? 0 : seed % dim;
    long step = 1L + seed % 3;
    Layout sliced = from.layout.slice(axis, start, (dim - start + step - 1) / step, step);
    return new Viewed(
        sliced,
        picked(from, sliced.shape(), index -> with(index, axis, start + index[axis] * step)));
  }

  private static Viewed swap(Viewed from, int axis, int other) {
    int[] axes = new int[from.layout.rank()];
    Arrays.setAll(axes, d -> d == axis ? other : d == other ? axis : d);
    Layout permuted = from.layout.permute(axes);
    return new Viewed(
        permuted,
        picked(
            from,
            permuted.shape(),
            index -> with(with(index, axis, index[other]), other, index[axis])));
  }

  /** One slice of an axis, repeated, and all of it twice in a new dimension. */
  private static Viewed expand(Viewed from, int axis, int times) {
    if (from.layout.shape().dim(axis) == 0) {
      return from;
    }
    Layout one = from.layout.slice(axis, 0, 1, 1);
    Shape target = one.shape().with(axis, times).insert(0, 2);
    return new Viewed(
        one.expand(target),
        picked(from, target, index -> with(Arrays.copyOfRange(index, 1, index.length), axis, 0)));
  }

  private static long[] with(long[] index, int axis, long value) {
    long[] changed = index.clone();
    changed[axis] = value;
    return changed;
  }

  @Provide
  Arbitrary<List<Integer>> dims() {
    return Arbitraries.frequencyOf(
            net.jqwik.api.Tuple.of(1, Arbitraries.of(0)),
            net.jqwik.api.Tuple.of(12, Arbitraries.of(1, 2, 3, 4, 6)))
        .list()
        .ofMaxSize(4);
  }

  @Provide
  Arbitrary<List<Integer>> steps() {
    return Arbitraries.integers().between(0, 4 * 5 * 7 - 1).list().ofMaxSize(4);
  }

  private static Viewed view(List<Integer> dims, List<Integer> steps) {
    Layout layout = Layout.contiguous(Shape.of(dims.stream().mapToLong(d -> d).toArray()));
    Viewed viewed = new Viewed(layout, positions(layout));
    for (int step : steps) {
      if (viewed.layout.rank() < 6 && viewed.layout.shape().size() < 500) {
        viewed = step(viewed, step % 4, step / 4 % 5, step / 20);
      }
    }
    return viewed;
  }

  @Property(tries = 2000)
  void viewsShowTheRightElements(
      @ForAll("dims") List<Integer> dims, @ForAll("steps") List<Integer> steps) {
    Viewed viewed = view(dims, steps);
    assertThat(positions(viewed.layout)).containsExactly(viewed.positions);
  }

  @Property(tries = 2000)
  void rangeAndContiguityFollowFromThePositions(
      @ForAll("dims") List<Integer> dims, @ForAll("steps") List<Integer> steps) {
    Viewed viewed = view(dims, steps);
    long[] positions = viewed.positions;
    if (positions.length > 0) {
      assertThat(viewed.layout.lowest()).isEqualTo(Arrays.stream(positions).min().getAsLong());
      assertThat(viewed.layout.highest()).isEqualTo(Arrays.stream(positions).max().getAsLong());
    }
    boolean rowMajor = true;
    for (int i = 1; i < positions.length; i++) {
      rowMajor &= positions[i] == positions[i - 1] + 1;
    }
    assertThat(viewed.layout.isContiguous()).isEqualTo(rowMajor);
  }

  @Property(tries = 4000)
  void reshapeIsViewExactlyWhenStridesExist(
      @ForAll("dims") List<Integer> dims,
      @ForAll("steps") List<Integer> steps,
      @ForAll("splits") List<Integer> splits) {
    Viewed viewed = view(dims, steps);
    Shape target = split(viewed.layout.shape().size(), splits);
    Optional<Layout> reshaped = viewed.layout.reshape(target);
    if (reshaped.isPresent()) {
      assertThat(reshaped.get().shape()).isEqualTo(target);
      assertThat(positions(reshaped.get())).containsExactly(viewed.positions);
    } else {
      assertThat(hasStrides(viewed.positions, target)).isFalse();
    }
  }

  @Provide
  Arbitrary<List<Integer>> splits() {
    return Arbitraries.of(1, 2, 3, 4, 6, 12).list().ofMaxSize(4);
  }

  /** A shape of {@code size} elements whose first dimensions are the splits that divide it. */
  private static Shape split(long size, List<Integer> splits) {
    Shape shape = Shape.scalar();
    long rest = size;
    for (int split : splits) {
      if (rest % split == 0) {
        shape = shape.insert(shape.rank(), split);
        rest /= split;
      }
    }
    return rest == 1 && shape.rank() > 0 ? shape : shape.insert(shape.rank(), rest);
  }

  /** Whether the positions are an affine function of the index in {@code shape}. */
  private static boolean hasStrides(long[] positions, Shape shape) {
    long[] strides = new long[shape.rank()];
    long inner = 1;
    for (int d = shape.rank() - 1; d >= 0; d--) {
      strides[d] = shape.dim(d) > 1 ? positions[(int) inner] - positions[0] : 0;
      inner *= shape.dim(d);
    }
    for (int i = 0; i < positions.length; i++) {
      long expected = positions[0];
      long rest = i;
      for (int d = shape.rank() - 1; d >= 0; d--) {
        expected += rest % shape.dim(d) * strides[d];
        rest /= shape.dim(d);
      }
      if (expected != positions[i]) {
        return false;
      }
    }
    return true;
  }

  @Example
  void geometryLeavesOutTheOffset() {
    Layout base = Layout.contiguous(Shape.of(6, 4));
    Layout first = base.slice(0, 0, 3, 1);
    Layout second = base.slice(0, 3, 3, 1);
    assertThat(first.sameGeometry(second)).isTrue();
    assertThat(first.geometryHash()).isEqualTo(second.geometryHash());
    assertThat(first).isNotEqualTo(second);
    assertThat(first).isEqualTo(Layout.contiguous(Shape.of(3, 4)));
    assertThat(second).hasToString("[3, 4] strides [4, 1] offset 12");
  }

  @Example
  void emptySliceStaysInsideTheBuffer() {
    Layout empty = Layout.contiguous(Shape.of(3)).slice(0, 3, 0, 1);
    assertThat(empty.offset()).isZero();
    assertThat(empty.isContiguous()).isTrue();
  }
}
