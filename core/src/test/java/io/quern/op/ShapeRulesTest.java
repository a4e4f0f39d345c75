package io.quern.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.quern.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ShapeRulesTest {
  @Test
  void broadcastAlignsAtTheLastDimension() {
    assertThat(ShapeRules.broadcast("op", Shape.of(3, 4), Shape.of(4))).isEqualTo(Shape.of(3, 4));
    assertThat(ShapeRules.broadcast("op", Shape.of(4), Shape.of(3, 1))).isEqualTo(Shape.of(3, 4));
    assertThat(ShapeRules.broadcast("op", Shape.scalar(), Shape.of(2, 3)))
        .isEqualTo(Shape.of(2, 3));
    assertThat(ShapeRules.broadcast("op", Shape.of(2, 1, 5), Shape.of(7, 1)))
        .isEqualTo(Shape.of(2, 7, 5));
    assertThat(ShapeRules.broadcast("op", Shape.of(1), Shape.of(0))).isEqualTo(Shape.of(0));
    assertThat(ShapeRules.broadcast("op", Shape.of(0, 3), Shape.of(1, 3)))
        .isEqualTo(Shape.of(0, 3));
  }

  @Test
  void broadcastRefusesOtherSizes() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ShapeRules.broadcast("add", Shape.of(2, 3), Shape.of(3, 2)))
        .withMessage("add: shapes [2, 3] and [3, 2] do not broadcast");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ShapeRules.broadcast("add", Shape.of(0), Shape.of(2)))
        .withMessage("add: shapes [0] and [2] do not broadcast");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ShapeRules.broadcast("add", Shape.of(1L << 40, 1), Shape.of(1, 1L << 40)))
        .withMessageContaining("more than 2^63 - 1 elements");
  }

  @Test
  void reduceRemovesOrKeepsAxes() {
    Shape shape = Shape.of(2, 3, 4);
    assertThat(ShapeRules.reduce("op", shape, List.of(0, -1), false)).isEqualTo(Shape.of(3));
    assertThat(ShapeRules.reduce("op", shape, List.of(0, -1), true)).isEqualTo(Shape.of(1, 3, 1));
    assertThat(ShapeRules.reduce("op", shape, List.of(0, 1, 2), false)).isEqualTo(Shape.scalar());
    assertThat(ShapeRules.reduce("op", shape, List.of(), false)).isEqualTo(shape);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ShapeRules.reduce("op", shape, List.of(1, -2), false))
        .withMessage("op: axis -2 is listed twice");
  }

  @ParameterizedTest
  @CsvSource({
    "7, 3, 1, 0, 0, 1, 5",
    "7, 3, 2, 0, 0, 1, 3",
    "8, 3, 2, 0, 0, 1, 3",
    "8, 3, 2, 1, 1, 1, 4",
    "8, 3, 2, 0, 1, 1, 4",
    "7, 3, 1, 2, 2, 2, 7",
    "5, 3, 1, 0, 0, 2, 1",
    "1, 1, 5, 0, 0, 1, 1",
  })
  void windowCountsPositions(
      long input, int kernel, int stride, int before, int after, int dilation, long expected) {
    assertThat(ShapeRules.window("op", input, kernel, stride, before, after, dilation))
        .isEqualTo(expected);
  }

  @Test
  void windowRefusesWhatDoesNotFit() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ShapeRules.window("pool", 4, 3, 1, 0, 0, 2))
        .withMessage(
            "pool: window of 3 (dilation 2) does not fit into 4 elements with padding 0 and 0");
  }

  @Test
  void windowRefusesSettingsWithoutMeaning() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Window.of(3).stride(0))
        .withMessageContaining("stride 0x0");
    assertThatIllegalArgumentException().isThrownBy(() -> Window.of(0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Window3d.of(0, 1, 1))
        .withMessage(
            "window: kernel, stride and dilation must be 1 or more, found 0, 1 and 1 in depth");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Window3d(1, 1, 0, -1, 1, Window.of(1)))
        .withMessage("window: padding must not be negative, found 0 and -1 in depth");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Window(3, 3, 1, 1, 0, 1, -2, 3, 1, 1))
        .withMessage("window: padding must not be negative, found top 0 left 1 bottom -2 right 3");
  }
}
