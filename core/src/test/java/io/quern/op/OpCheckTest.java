package io.quern.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNoException;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The messages name the op, what was found and what was expected. */
class OpCheckTest {
  private static final TensorSpec FLOATS = new TensorSpec(DType.F32, Shape.of(2, 3));
  private static final TensorSpec FLAGS = new TensorSpec(DType.BOOL, Shape.of(2));

  @Test
  void inputCount() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.inputCount("add", List.of(FLOATS), 2))
        .withMessage("add: takes 2 inputs, found 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.inputCount("conv2d", List.of(), 2, 3))
        .withMessage("conv2d: takes 2 to 3 inputs, found 0");
  }

  @Test
  void dtypes() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.sameDType("add", List.of(FLOATS, FLAGS)))
        .withMessage(
            "add: dtypes differ, found [F32[2, 3], BOOL[2]]; convert one side with to(DType)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.floating("exp", FLAGS))
        .withMessage("exp: needs a float dtype, found BOOL[2]; convert it with to(DType)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.numeric("neg", FLAGS))
        .withMessage("neg: needs a numeric dtype, found BOOL[2]; convert it with to(DType)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.index("gather", FLOATS))
        .withMessage("gather: indices must be I64 or I32, found F32[2, 3]");
    assertThatNoException().isThrownBy(() -> OpCheck.index("op", FLOATS.with(DType.I32)));
  }

  @Test
  void shapes() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.rank("conv2d", "the input", FLOATS, 4))
        .withMessage("conv2d: the input must have rank 4, found [2, 3]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.shape("op", "gamma", Shape.of(3), Shape.of(4)))
        .withMessage("op: gamma must have shape [4], found [3]");
    assertThat(OpCheck.axis("op", Shape.of(2, 3), -1)).isEqualTo(1);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> OpCheck.axis("op", Shape.of(2, 3), 2))
        .withMessage("op: axis 2 is out of range for shape [2, 3]");
  }

  @Test
  void elements() {
    assertThatNoException().isThrownBy(() -> OpCheck.element("gather", 4, 5));
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> OpCheck.element("gather", -1, 5))
        .withMessage("gather: index -1 is out of range, expected 0 to 4");
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> OpCheck.element("gather", 5, 5));
  }
}
