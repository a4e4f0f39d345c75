package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ShapeTest {
  @Test
  void sizeIsTheProductOfTheDimensions() {
    assertThat(Shape.of(2, 3, 4).size()).isEqualTo(24);
    assertThat(Shape.of(5).size()).isEqualTo(5);
    assertThat(Shape.scalar().size()).isEqualTo(1);
    assertThat(Shape.of(7, 0, 3).size()).isZero();
    assertThat(Shape.of(1L << 31, 1L << 31).size()).isEqualTo(1L << 62);
  }

  @Test
  void emptyShapeMayHaveHugeDimensions() {
    assertThat(Shape.of(Long.MAX_VALUE, Long.MAX_VALUE, 0).size()).isZero();
    assertThat(Shape.of(0, Long.MAX_VALUE, Long.MAX_VALUE).size()).isZero();
  }

  @Test
  void tooManyElementsAreRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Shape.of(1L << 32, 1L << 31))
        .withMessage("shape: [4294967296, 2147483648] has more than 2^63 - 1 elements");
    assertThatIllegalArgumentException().isThrownBy(() -> Shape.of(Long.MAX_VALUE, Long.MAX_VALUE));
  }

  @Test
  void negativeDimensionsAreRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Shape.of(2, -1))
        .withMessage("shape: dimensions must not be negative, found [2, -1]");
    assertThatIllegalArgumentException().isThrownBy(() -> Shape.of(2).with(0, -3));
  }

  @Test
  void axesCountFromBothEnds() {
    Shape shape = Shape.of(2, 3, 4);
    assertThat(shape.dim(0)).isEqualTo(2);
    assertThat(shape.dim(-1)).isEqualTo(4);
    assertThat(shape.axis(-3)).isZero();
    assertThatIllegalArgumentException()
        .isThrownBy(() -> shape.dim(3))
        .withMessage("axis 3 is out of range for shape [2, 3, 4]");
    assertThatIllegalArgumentException().isThrownBy(() -> shape.axis(-4));
    assertThatIllegalArgumentException().isThrownBy(() -> Shape.scalar().axis(0));
  }

  @Test
  void derivedShapes() {
    Shape shape = Shape.of(2, 3, 4);
    assertThat(shape.with(1, 9)).isEqualTo(Shape.of(2, 9, 4));
    assertThat(shape.with(-1, 9)).isEqualTo(Shape.of(2, 3, 9));
    assertThat(shape.without(0)).isEqualTo(Shape.of(3, 4));
    assertThat(shape.without(-1)).isEqualTo(Shape.of(2, 3));
    assertThat(Shape.of(5).without(0)).isSameAs(Shape.scalar());
    assertThat(shape.insert(0, 7)).isEqualTo(Shape.of(7, 2, 3, 4));
    assertThat(shape.insert(3, 7)).isEqualTo(Shape.of(2, 3, 4, 7));
    assertThat(shape.slice(1, 3)).isEqualTo(Shape.of(3, 4));
    assertThat(shape.slice(1, 1)).isEqualTo(Shape.scalar());
    assertThat(Shape.of(2).concat(Shape.of(3, 4))).isEqualTo(shape);
    assertThat(shape).isEqualTo(Shape.of(2, 3, 4));
  }

  @Test
  void dimensionsAreCopied() {
    long[] dims = {2, 3};
    Shape shape = Shape.of(dims);
    dims[0] = 9;
    shape.toArray()[1] = 9;
    assertThat(shape).isEqualTo(Shape.of(2, 3)).hasSameHashCodeAs(Shape.of(2, 3));
    assertThat(shape).isNotEqualTo(Shape.of(2, 3, 1)).isNotEqualTo(Shape.of(3, 2));
    assertThat(shape).hasToString("[2, 3]");
  }

  @Test
  void intDimRefusesWhatDoesNotFit() {
    assertThat(Shape.of(Integer.MAX_VALUE).intDim(0)).isEqualTo(Integer.MAX_VALUE);
    assertThatThrownBy(() -> Shape.of(1L << 31).intDim(0))
        .isInstanceOf(ArithmeticException.class)
        .hasMessage("shape: dimension 0 of [2147483648] is more than 2^31 - 1");
  }

  @Test
  void partsThatAreNotThereAreRefused() {
    assertThat(Shape.of(2, 3).slice(1, 2)).isEqualTo(Shape.of(3));
    assertThat(Shape.of(2, 3).insert(2, 4)).isEqualTo(Shape.of(2, 3, 4));
    for (int[] range : new int[][] {{1, 5}, {-1, 1}, {2, 1}}) {
      assertThatThrownBy(() -> Shape.of(2, 3).slice(range[0], range[1]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("shape: [2, 3] has no dimensions %d to %d".formatted(range[0], range[1]));
    }
    for (int axis : new int[] {-1, 3}) {
      assertThatThrownBy(() -> Shape.of(2, 3).insert(axis, 1))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("shape: nothing can be inserted before axis " + axis + " of [2, 3]");
    }
  }
}
