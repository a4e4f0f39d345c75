package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.op.Compare;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
  void selectNamesAxisAndShape() {
    for (int axis : new int[] {1, -2}) {
      assertThatThrownBy(() -> Tensor.ones(3).select(axis, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("select: axis " + axis + " is out of range for shape [3]");
    }
  }

  @Test
  void reshapeNamesTheDimensionsThatItWasGiven() {
    Tensor six = Tensor.ones(6);
    assertThatThrownBy(() -> six.reshape(-2, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("reshape: dimensions must be 0 or more, or -1 for one, found [-2, -1]");
    assertThatThrownBy(() -> six.reshape(-3, -2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("reshape: dimensions must be 0 or more, or -1 for one, found [-3, -2]");
    assertThatThrownBy(() -> six.reshape(-1, 3, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("reshape: only one dimension may be -1, found [-1, 3, -1]");
    for (long[] dims :
        new long[][] {
          {4, -1}, {0, -1}, {-1, 12}, {(1L << 32) + 1, (1L << 32) - 1, -1}, {1L << 62, 4, -1}
        }) {
      assertThatThrownBy(() -> six.reshape(dims))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("reshape: [6] does not fit " + Arrays.toString(dims));
    }
    assertThat(six.reshape(-1, 1, 2).shape()).isEqualTo(Shape.of(3, 1, 2));
    assertThat(Tensor.zeros(0, 4).reshape(2, -1).shape()).isEqualTo(Shape.of(2, 0));
  }

  @Test
  void moreBytesThanThereAreNumbersForIsAnArgumentError() {
    assertThatThrownBy(() -> Tensor.zeros(Long.MAX_VALUE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tensor: F32[9223372036854775807] has more than 2^63 - 1 bytes");
  }

  /** Or else it would be cut off, and comparisons would be wrong. */
  @ParameterizedTest
  @CsvSource({
    "I64, 2.5", "I32, 0.5", "I32, NaN", "I32, 2147483648", "I16, -32769", "I8, 128",
    "U8, 256", "U8, -1", "U32, 4294967296", "U64, -1", "I64, 9223372036854775808", "I64, Infinity"
  })
  void aNumberBesideIntegersIsOneOfThem(DType dtype, double number) {
    Tensor tensor = Tensor.ones(2).to(dtype);
    List<ThrowingCallable> calls =
        List.of(
            () -> tensor.add(number),
            () -> tensor.mul(number),
            () -> tensor.fullLike(number),
            () -> Tensor.full(number, dtype, Device.cpu(), 2),
            () -> tensor.compare(Compare.Fn.LT, number));
    for (ThrowingCallable call : calls) {
      assertThatThrownBy(call)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(number + " is not a number of " + dtype + "[2]");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "I64, -9223372036854775808",
    "I32, 2147483647",
    "I16, -32768",
    "I8, 127",
    "U8, 255",
    "U32, 4294967295",
    "BOOL, 1"
  })
  void theLastNumbersOfADTypeAreTaken(DType dtype, double number) {
    Tensor tensor = Tensor.full(number, dtype, Device.cpu(), 2);
    assertThat(tensor.compare(Compare.Fn.EQ, number).to(DType.I64).toLongArray())
        .containsExactly(1, 1);
  }

  @Test
  void integersAreClampedToTheIntegersBetween() {
    Tensor numbers = Tensor.of(new int[] {-5, 1, 2, 3, 7});
    assertThat(numbers.clamp(1.5, 3.5).toLongArray()).containsExactly(2, 2, 2, 3, 3);
    assertThat(numbers.clamp(Double.NEGATIVE_INFINITY, 2).toLongArray())
        .containsExactly(-5, 1, 2, 2, 2);
    assertThat(numbers.clamp(-1e30, 1e30).toLongArray()).containsExactly(-5, 1, 2, 3, 7);
  }

  @Test
  void meansAreOfFloats() {
    for (DType dtype : List.of(DType.I32, DType.U8, DType.BOOL)) {
      Tensor tensor = Tensor.ones(4).to(dtype);
      assertThatThrownBy(tensor::mean)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "mean: needs a float dtype, found " + dtype + "[4]; convert it with to(DType)");
      assertThatThrownBy(() -> tensor.meanKeep(0)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  /** The sum is 1,000,000, and the largest number of the dtype 65,504. */
  @Test
  void meansOfHalfFloatsDoNotOverflow() {
    Tensor thousands = Tensor.full(1000, DType.F16, Device.cpu(), 10, 100);
    assertThat(thousands.mean().item()).isEqualTo(1000);
    assertThat(thousands.mean().dtype()).isEqualTo(DType.F16);
    assertThat(thousands.meanKeep(1).toFloatArray()).containsOnly(1000f).hasSize(10);
  }

  @Test
  void amountsOfPaddingThatOverflowAreRefused() {
    long most = Long.MAX_VALUE;
    for (long[] before : new long[][] {{most, 1}, {most - 1, 0}, {most / 2, most / 2}}) {
      assertThatThrownBy(() -> Tensor.ones(2, 2).pad(before, new long[] {most, 1}, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("pad: the result would have more than 2^63 - 1 elements");
    }
  }

  @Test
  void axesAreNamedWithTheOp() {
    Tensor matrix = Tensor.ones(2, 3);
    assertThatThrownBy(() -> matrix.transpose(0, 2))
        .hasMessage("transpose: axis 2 is out of range for shape [2, 3]");
    assertThatThrownBy(() -> matrix.flatten(2))
        .hasMessage("flatten: axis 2 is out of range for shape [2, 3]");
    assertThatThrownBy(() -> matrix.squeeze(-3))
        .hasMessage("squeeze: axis -3 is out of range for shape [2, 3]");
    assertThatThrownBy(() -> matrix.squeeze(0))
        .hasMessage("squeeze: dimension 0 must have size 1, found shape [2, 3]");
  }

  @Test
  void moreBytesThanAnArrayHoldsAreRefused() {
    Tensor expanded = Tensor.ones(1).expand(Shape.of(1L << 31));
    assertThatThrownBy(expanded::toByteArray)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("toByteArray: F32[2147483648] has 8589934592 bytes, too many for an array");
  }
}
