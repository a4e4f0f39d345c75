package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Fill;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import io.quern.op.View;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What tensors do by themselves; ops are checked by the conformance suite. */
class TensorTest {
  private static Tensor counting(long... dims) {
    return Tensor.arange(Shape.of(dims).size(), DType.F32).reshape(dims);
  }

  // ---- making and reading -----------------------------------------------------------------

  @Test
  void arraysComeBackAsTheyWere() {
    assertThat(Tensor.of(new float[] {1, -2.5f, 3}).toFloatArray()).containsExactly(1, -2.5f, 3);
    assertThat(Tensor.of(new double[] {0.1}, 1, 1).toDoubleArray()).containsExactly(0.1);
    assertThat(Tensor.of(new long[] {Long.MAX_VALUE, 2}, 2).toLongArray())
        .containsExactly(Long.MAX_VALUE, 2);
    assertThat(Tensor.of(new int[] {-7, 8}, 1, 2).toLongArray()).containsExactly(-7, 8);
    assertThat(Tensor.ofBytes(new byte[] {-1, 2}).toLongArray()).containsExactly(255, 2);
    assertThat(Tensor.of(new float[0]).shape()).isEqualTo(Shape.of(0));
    assertThat(Tensor.of(new float[0], 3, 0).toFloatArray()).isEmpty();
    assertThat(Tensor.scalar(4).rank()).isZero();
  }

  @Test
  void theTensorIsACopyOfTheArray() {
    float[] data = {1, 2};
    Tensor tensor = Tensor.of(data);
    data[0] = 9;
    tensor.toFloatArray()[1] = 9;
    assertThat(tensor.toFloatArray()).containsExactly(1, 2);
  }

  @Test
  void aWrongNumberOfElementsIsNamed() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.of(new float[5], 2, 3))
        .withMessage("tensor: shape [2, 3] needs 6 elements, found 5");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.of(new long[1], 0))
        .withMessage("tensor: shape [0] needs 0 elements, found 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.of(new int[2], -2))
        .withMessage("shape: dimensions must not be negative, found [-2]");
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> Tensor.fromSegment(MemorySegment.ofArray(new byte[7]), DType.F16, Shape.of(4)))
        .withMessage("tensor: F16[4] needs 8 bytes, found 7");
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> Tensor.fromSegment(MemorySegment.ofArray(new byte[13]), DType.F32, Shape.of(3)))
        .withMessage("tensor: F32[3] needs 12 bytes, found 13");
  }

  @Test
  void copyToNeedsExactlyTheBytes() {
    Tensor tensor = counting(3).flip(0);
    float[] array = new float[3];
    tensor.copyTo(MemorySegment.ofArray(array));
    assertThat(array).containsExactly(2, 1, 0);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.copyTo(MemorySegment.ofArray(new float[4])))
        .withMessage("copyTo: F32[3] has 12 bytes, the target 16");
  }

  @Test
  void itemIsForOneElement() {
    assertThat(Tensor.of(new float[] {3}, 1, 1, 1).item()).isEqualTo(3);
    assertThat(counting(2, 3).select(0, 1).select(0, 2).item()).isEqualTo(5);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(2).item())
        .withMessage("item: needs a tensor with one element, found shape [2]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(0).item())
        .withMessage("item: needs a tensor with one element, found shape [0]");
  }

  @Test
  void getFindsElementsOfViews() {
    Tensor view = counting(3, 4).transpose(0, 1).flip(0);
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < 3; j++) {
        assertThat(view.get(i, j)).isEqualTo(4 * j + 3 - i);
      }
    }
    assertThat(Tensor.scalar(7).get()).isEqualTo(7);
  }

  @Test
  void getNamesWrongIndices() {
    Tensor tensor = counting(2, 3);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.get(1))
        .withMessage("get: 1 indices for shape [2, 3]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.get(1, 3))
        .withMessage("get: index [1, 3] is out of range for shape [2, 3]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.get(-1, 0))
        .withMessage("get: index [-1, 0] is out of range for shape [2, 3]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.select(-1, 3))
        .withMessage("select: index 3 is out of range for axis -1 of shape [2, 3]");
  }

  // ---- text -------------------------------------------------------------------------------

  @Test
  void textShowsDtypeShapeDeviceAndElements() {
    assertThat(Tensor.of(new float[] {1, 0.125f, Float.NaN, -1e20f}, 2, 2))
        .hasToString("Tensor F32[2, 2] on reference\n[[1.0, 0.12500],\n [NaN, -1.0000e+20]]");
    assertThat(Tensor.of(new long[] {(1L << 53) + 1})).asString().endsWith("\n[9007199254740993]");
    assertThat(Tensor.scalar(2)).asString().endsWith("\n2.0");
    assertThat(Tensor.zeros(0, 2)).asString().endsWith("\n[]");
    assertThat(counting(2).compare(Compare.Fn.GT, 0)).asString().endsWith("\n[0, 1]");
  }

  @Test
  void longTextIsAbridged() {
    assertThat(counting(1001)).asString().endsWith("\n[0.0, 1.0, 2.0, ..., 998.0, 999.0, 1000.0]");
    assertThat(counting(1000)).asString().contains("500.0").doesNotContain("...");
    assertThat(counting(7, 200).toString().lines().count()).isEqualTo(1 + 7);
    assertThat(Tensor.zeros(1L << 50, 0)).asString().hasSizeLessThan(200).contains("...");
  }

  @Test
  void textOfATrackedOrClosedTensor() {
    Tensor tracked = counting(2).requireGrad();
    assertThat(tracked).asString().endsWith("[0.0, 1.0]");
    assertThat(tracked.isTracked()).isTrue();
    tracked.close();
    assertThat(tracked)
        .asString()
        .startsWith("Tensor F32[2], closed by close() at io.quern.TensorTest.textOfATracked");
  }

  // ---- views ------------------------------------------------------------------------------

  @Test
  void viewsShareMemory() {
    Tensor base = counting(2, 3);
    List<Tensor> views =
        List.of(
            base.reshape(3, 2),
            base.transpose(0, 1),
            base.permute(1, 0),
            base.expand(Shape.of(4, 2, 3)),
            base.slice(1, 1, 3),
            base.slice(1, 0, 3, 2),
            base.flip(0),
            base.select(0, 1),
            base.unsqueeze(1),
            base.unsqueeze(0).squeeze(0),
            base.flatten(0),
            base.detach());
    assertThat(views).allMatch(view -> view.storage() == base.storage());
    base.copyFrom(Tensor.full(7, DType.F32, base.device(), 2, 3));
    assertThat(views)
        .allSatisfy(view -> assertThat(view.toFloatArray()).containsOnly(7).isNotEmpty());
  }

  @Test
  void writesThroughAViewAreSeen() {
    Tensor base = counting(4);
    base.slice(0, 1, 3).copyFrom(Tensor.of(new float[] {8, 9}));
    assertThat(base.toFloatArray()).containsExactly(0, 8, 9, 3);
  }

  @Test
  void reshapeInfersOneDimension() {
    assertThat(counting(2, 6).reshape(-1, 4).shape()).isEqualTo(Shape.of(3, 4));
    assertThat(counting(6).reshape(2, -1, 3).shape()).isEqualTo(Shape.of(2, 1, 3));
    assertThat(Tensor.scalar(1).reshape(-1).shape()).isEqualTo(Shape.of(1));
    assertThat(Tensor.zeros(0, 3).reshape(-1, 3).shape()).isEqualTo(Shape.of(0, 3));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(6).reshape(-1, -1))
        .withMessage("reshape: only one dimension may be -1, found [-1, -1]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(6).reshape(4, -1))
        .withMessage("reshape: [6] does not fit [4, -1]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.zeros(0, 3).reshape(0, -1))
        .withMessage("reshape: [0, 3] does not fit [0, -1]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(6).reshape(7))
        .withMessage("reshape: [6] has 6 elements, [7] has 7");
    assertThatIllegalArgumentException().isThrownBy(() -> counting(6).reshape(-1, -3));
  }

  @Test
  void reshapeCopiesOnlyWhereItMust() {
    Tensor turned = counting(2, 3).transpose(0, 1);
    Tensor flat = turned.reshape(6);
    assertThat(flat.storage()).isNotSameAs(turned.storage());
    assertThat(flat.toFloatArray()).containsExactly(0, 3, 1, 4, 2, 5);
    assertThat(turned.reshape(3, 1, 2).storage()).isSameAs(turned.storage());
    assertThat(turned.reshape(3, 2)).isSameAs(turned);
  }

  @Test
  void axesCountFromTheEnd() {
    Tensor tensor = counting(2, 3, 4);
    assertThat(tensor.sum(-1).shape()).isEqualTo(Shape.of(2, 3));
    assertThat(tensor.flip(-1).get(0, 0, 0)).isEqualTo(3);
    assertThat(tensor.slice(-2, 1, 2).shape()).isEqualTo(Shape.of(2, 1, 4));
    assertThat(tensor.permute(-1, 0, -2).shape()).isEqualTo(Shape.of(4, 2, 3));
    assertThat(tensor.transpose(-1, -3).shape()).isEqualTo(Shape.of(4, 3, 2));
    assertThat(tensor.argmax(-3).shape()).isEqualTo(Shape.of(3, 4));
    assertThat(tensor.flatten(-2).shape()).isEqualTo(Shape.of(2, 12));
    assertThat(Tensor.concat(-1, tensor, tensor).shape()).isEqualTo(Shape.of(2, 3, 8));
    assertThat(tensor.softmax(-1).sum(-1).get(1, 2))
        .isCloseTo(1, org.assertj.core.data.Offset.offset(1e-6));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.flip(-4))
        .withMessage("flip: axis -4 is out of range for shape [2, 3, 4]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> tensor.permute(0, 1, 1))
        .withMessage(
            "permute: axes [0, 1, 1] are not a permutation of the dimensions of [2, 3, 4]");
  }

  @Test
  void slicesKeepToTheAxis() {
    Tensor tensor = counting(10);
    assertThat(tensor.slice(0, 1, 10, 4).toFloatArray()).containsExactly(1, 5, 9);
    assertThat(tensor.slice(0, 0, 10, Long.MAX_VALUE).toFloatArray()).containsExactly(0);
    assertThat(tensor.slice(0, 10, 10).size()).isZero();
    assertThat(tensor.slice(0, 3, 3, 5).size()).isZero();
    for (long[] bad : new long[][] {{0, 11, 1}, {-1, 3, 1}, {5, 3, 1}, {5, 3, 4}, {0, 5, 0}}) {
      assertThatThrownBy(() -> tensor.slice(0, bad[0], bad[1], bad[2]))
          .as("from %s to %s step %s", bad[0], bad[1], bad[2])
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("slice: start " + bad[0])
          .hasMessageEndingWith("do not fit axis 0 of shape [10]");
    }
  }

  @Test
  void sidesBroadcast() {
    Tensor sum = counting(2, 1, 3).add(counting(4, 1).mul(100));
    assertThat(sum.shape()).isEqualTo(Shape.of(2, 4, 3));
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < 4; j++) {
        for (int k = 0; k < 3; k++) {
          assertThat(sum.get(i, j, k)).isEqualTo(3 * i + k + 100 * j);
        }
      }
    }
    assertThat(Tensor.scalar(1).add(counting(0, 2)).shape()).isEqualTo(Shape.of(0, 2));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(2, 3).add(counting(2)))
        .withMessage("add: shapes [2, 3] and [2] do not broadcast");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> counting(2, 3).expand(Shape.of(3)))
        .withMessageStartingWith("expand: ");
  }

  // ---- mismatches -------------------------------------------------------------------------

  @Test
  void dtypeMismatchesNameOpAndBothSides() {
    Tensor floats = Tensor.ones(2);
    Tensor doubles = Tensor.of(new double[] {1, 2});
    assertThatIllegalArgumentException()
        .isThrownBy(() -> floats.add(doubles))
        .withMessage("add: dtypes differ, found [F32[2], F64[2]]; convert one side with to(DType)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> floats.reshape(1, 2).matmul(doubles.reshape(2, 1)))
        .withMessageStartingWith("matmul: ")
        .withMessageContainingAll("F32[1, 2]", "F64[2, 1]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.arange(3, DType.I32).requireGrad())
        .withMessage("requireGrad: needs a float dtype, found I32[3]");
  }

  @Test
  void deviceMismatchesNameOpAndBothSides() {
    Tensor here = Tensor.ones(2);
    Tensor there = here.to(Device.of("remote"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> here.mul(there))
        .withMessage(
            "mul: runs on reference, found a tensor on remote; move one side with to(Device)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.apply(new Unary(Unary.Fn.NEG), Device.of("remote"), here))
        .withMessageStartingWith("neg: runs on remote, found a tensor on reference");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.applyInto(new Unary(Unary.Fn.NEG), List.of(here), List.of(there)))
        .withMessageStartingWith("neg: runs on reference, found a tensor on remote");
  }

  @Test
  void opsWithoutInputsNeedADevice() {
    Fill fill = new Fill(new TensorSpec(DType.F32, Shape.of(2)), 3);
    assertThat(Tensor.apply(fill, Device.reference()).toFloatArray()).containsExactly(3, 3);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.apply(fill))
        .withMessageStartingWith("fill: without inputs a device must be named");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.apply(new Binary(Binary.Fn.ADD), Tensor.ones(1)))
        .withMessage("add: takes 2 inputs, found 1");
  }

  // ---- writing in place -------------------------------------------------------------------

  @Test
  void copyFromChecksItsSource() {
    Tensor target = Tensor.zeros(2, 2);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> target.copyFrom(counting(4)))
        .withMessage("copyFrom: the source must be F32[2, 2], found F32[4]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> target.copyFrom(Tensor.full(0, DType.F64, target.device(), 2, 2)))
        .withMessage("copyFrom: the source must be F32[2, 2], found F64[2, 2]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> target.transpose(0, 1).copyFrom(target))
        .withMessage(
            "copyFrom: the target must be contiguous, found layout [2, 2] strides [1, 2] offset 0");
    target.copyFrom(counting(2, 2).transpose(0, 1));
    assertThat(target.toFloatArray()).containsExactly(0, 2, 1, 3);
  }

  @Test
  void copyFromReadsOverlappingMemoryFirst() {
    Tensor tensor = counting(5);
    tensor.slice(0, 1, 5).copyFrom(tensor.slice(0, 0, 4));
    assertThat(tensor.toFloatArray()).containsExactly(0, 0, 1, 2, 3);
    tensor.copyFrom(tensor.flip(0));
    assertThat(tensor.toFloatArray()).containsExactly(3, 2, 1, 0, 0);
    tensor.copyFrom(tensor);
    assertThat(tensor.toFloatArray()).containsExactly(3, 2, 1, 0, 0);
  }

  @Test
  void copyFromIsNotRecorded() {
    Tensor target = Tensor.zeros(2);
    target.copyFrom(counting(2).requireGrad());
    assertThat(target.isTracked()).isFalse();
  }

  @Test
  void applyIntoChecksItsOutputs() {
    Unary neg = new Unary(Unary.Fn.NEG);
    List<Tensor> inputs = List.of(counting(2, 3));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.applyInto(neg, inputs, List.of(Tensor.zeros(3, 2))))
        .withMessage("neg: output 0 must be contiguous F32[2, 3], found F32[3, 2]");
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> Tensor.applyInto(neg, inputs, List.of(Tensor.zeros(3, 2).transpose(0, 1))))
        .withMessage("neg: output 0 must be contiguous F32[2, 3], found F32[2, 3] as a view");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.applyInto(neg, inputs, List.of()))
        .withMessage("neg: writes 1 outputs, found 0");
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> Tensor.applyInto(neg, inputs, List.of(Tensor.zeros(2, 3), Tensor.zeros(2, 3))))
        .withMessage("neg: writes 1 outputs, found 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.applyInto(new View.Flip(0), inputs, List.of(Tensor.zeros(2, 3))))
        .withMessage("flip: writes 0 outputs, found 1");
  }

  @Test
  void applyIntoWritesOverItsInputsWhereAllowed() {
    Tensor tensor = counting(3);
    Tensor.applyInto(new Binary(Binary.Fn.ADD), List.of(tensor, Tensor.ones(3)), List.of(tensor));
    assertThat(tensor.toFloatArray()).containsExactly(1, 2, 3);
    Tensor half = Tensor.full(0, DType.F16, tensor.device(), 3);
    Tensor.applyInto(new Cast(DType.F16), List.of(tensor.flip(0)), List.of(half));
    assertThat(half.toFloatArray()).containsExactly(3, 2, 1);
  }
}
