package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Tensor;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Folds of F16 and BF16, of which sums in between do not fit the type, but results do. */
class HalvesTest {
  private static final int SIDE = 256;

  private static Tensor run(String op, long opset, Tensor x) {
    ElementType type = ElementType.of(x.dtype());
    OnnxModel model =
        new Models()
            .opset(opset)
            .input(Models.value("x", type.code(), x.shape().toArray()))
            .output(new ProtoWriter().string(1, "y"))
            .add(Models.node(op, "x", "y"))
            .model();
    Tensor y = model.run(Map.of("x", x)).get("y");
    assertThat(y.dtype()).isEqualTo(x.dtype());
    return y;
  }

  @ParameterizedTest
  @CsvSource({
    "ReduceMean, 13, 1, 1",
    "ReduceMean, 18, 1, 1",
    "ReduceL2, 18, 16, 4096",
    "GlobalAveragePool, 22, 1, 1",
    "GlobalLpPool, 2, 16, 4096",
    "ReduceLogSumExp, 18, 0, 11.09375"
  })
  void foldsOfManyHalves(String op, long opset, double element, double expected) {
    Tensor x = Tensor.ones(1, 1, SIDE, SIDE).mul(element).to(DType.F16);
    assertThat(run(op, opset, x).toDoubleArray()).containsExactly(expected);
  }

  /** The square of an element is infinite in F16. */
  @ParameterizedTest
  @CsvSource({"ReduceL2, 18", "GlobalLpPool, 2"})
  void squaresThatDoNotFit(String op, long opset) {
    Tensor x = Tensor.of(new float[] {300, 400}, 1, 1, 2).to(DType.F16);
    assertThat(run(op, opset, x).toDoubleArray()).containsExactly(500);
  }

  /** The product of the first two elements is infinite in F16. */
  @Test
  void productsThatDoNotFitInBetween() {
    Tensor x = Tensor.of(new float[] {512, 512, 0.0078125f, 0.25f}).to(DType.F16);
    assertThat(run("ReduceProd", 18, x).toDoubleArray()).containsExactly(512);
  }

  /** The square of an element is infinite in F16. */
  @Test
  void rootMeanSquareOfLargeHalves() {
    byte[] ones = Tensor.ones(4).to(DType.F16).toByteArray();
    OnnxModel model =
        new Models()
            .constant(Models.tensor("scale", ElementType.FLOAT16.code(), 4).bytes(9, ones))
            .input(Models.value("x", ElementType.FLOAT16.code(), 2, 4))
            .output(new ProtoWriter().string(1, "y"))
            .add(Models.node("SimplifiedLayerNormalization", "x scale", "y"))
            .model();
    Tensor x = Tensor.ones(2, 4).mul(300).to(DType.F16);
    assertThat(model.run(Map.of("x", x)).get("y").toDoubleArray()).containsOnly(1);
  }

  /** The mean is 600, the deviation 300, of which the square is infinite in F16. */
  @Test
  void normalisationsWhoseSquaresDoNotFit() {
    for (DType dtype : new DType[] {DType.F16, DType.BF16}) {
      Tensor x = Tensor.of(new float[] {300, 900, 300, 900}, 2, 1, 1, 2).to(dtype);
      Tensor scale = Tensor.of(new float[] {2}).to(dtype);
      Tensor shift = Tensor.of(new float[] {0.5f}).to(dtype);
      new OneNode("InstanceNormalization", 22)
          .in(x)
          .in(scale)
          .in(shift)
          .gives(-1.5, 2.5, -1.5, 2.5);
      new OneNode("MeanVarianceNormalization", 13).in(x).gives(-1.0, 1, -1, 1);
      OneNode batch =
          new OneNode("BatchNormalization", 15)
              .in(x)
              .in(scale)
              .in(shift)
              .in(Tensor.of(new float[] {200}))
              .in(Tensor.of(new float[] {30000}))
              .integer("training_mode", 1)
              .number("momentum", 0.5f)
              .outputs(3);
      batch.isNear(0, dtype, 0, -1.5, 2.5, -1.5, 2.5);
      batch.isNear(1, DType.F32, 0, 400);
      batch.isNear(2, DType.F32, 0, 60000);
    }
  }

  /** The squares of elements are infinite in F16. */
  @Test
  void lengthsThatDoNotFit() {
    Tensor x = Tensor.of(new float[] {300, 400}, 1, 2, 1).to(DType.F16);
    new OneNode("LpNormalization", 22)
        .in(x)
        .integer("axis", 1)
        .isNear(0, DType.F16, DType.F16.epsilon() / 2, 0.6, 0.8);
    new OneNode("LRN", 13)
        .in(Tensor.of(new float[] {300, 0}, 1, 2, 1, 1).to(DType.F16))
        .integer("size", 1)
        .number("alpha", 1)
        .number("beta", 0.5f)
        .isNear(0, DType.F16, DType.F16.epsilon() / 2, 300 / Math.sqrt(90001), 0);
  }

  /** BF16 has 8 bits: the sum of 1s stops to grow at 256 when it is rounded as it grows. */
  @ParameterizedTest
  @CsvSource({"ReduceMean, 18", "GlobalAveragePool, 22"})
  void meansOfShortNumbers(String op, long opset) {
    Tensor x = Tensor.ones(1, 1, SIDE, SIDE).mul(3).to(DType.BF16);
    assertThat(run(op, opset, x).toDoubleArray()).containsExactly(3);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F16", "BF16", "F32", "F64"})
  void logSumExpOfInfinitiesAndLargeNumbers(DType dtype) {
    double infinity = Double.POSITIVE_INFINITY;
    Tensor nothing = Tensor.of(new double[] {-infinity, -infinity}).to(dtype);
    assertThat(run("ReduceLogSumExp", 18, nothing).toDoubleArray()).containsExactly(-infinity);
    Tensor all = Tensor.of(new double[] {-1, infinity}).to(dtype);
    assertThat(run("ReduceLogSumExp", 18, all).toDoubleArray()).containsExactly(infinity);
    Tensor large = Tensor.of(new double[] {32768, -1}).to(dtype);
    assertThat(run("ReduceLogSumExp", 18, large).toDoubleArray()).containsExactly(32768);
  }
}
