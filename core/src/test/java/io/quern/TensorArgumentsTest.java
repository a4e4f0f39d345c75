package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Arguments that the shape rules of ops do not see. */
class TensorArgumentsTest {
  @Test
  void joiningNothingIsRefused() {
    assertThatThrownBy(() -> Tensor.concat(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("concat: needs one tensor or more, found none");
    assertThatThrownBy(() -> Tensor.stack(List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("concat: needs one tensor or more, found none");
  }

  @Test
  void unsqueezeNamesAxisAndShape() {
    Tensor vector = Tensor.ones(3);
    for (int axis : new int[] {2, -3, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      assertThatThrownBy(() -> vector.unsqueeze(axis))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("unsqueeze: axis " + axis + " is out of range for shape [3]");
    }
    assertThat(vector.unsqueeze(1).shape()).isEqualTo(Shape.of(3, 1));
    assertThat(vector.unsqueeze(-1).shape()).isEqualTo(Shape.of(3, 1));
    assertThat(vector.unsqueeze(-2).shape()).isEqualTo(Shape.of(1, 3));
  }

  @Test
  void moreBytesThanThereAreNumbersForIsAnArgumentError() {
    assertThatThrownBy(() -> Tensor.zeros(Long.MAX_VALUE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tensor: F32[9223372036854775807] has more than 2^63 - 1 bytes");
  }
}
