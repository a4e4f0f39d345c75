package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Tensor;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folds of no elements are the identity of the fold, such as the least value of the type. */
class EmptyReductionTest {
  @ParameterizedTest
  @CsvSource({
    "ReduceMax, BOOL, 0",
    "ReduceMin, BOOL, 1",
    "ReduceMax, F32, -Infinity",
    "ReduceMin, F16, Infinity",
    "ReduceMax, I32, -2147483648",
    "ReduceMin, U8, 255",
    "ReduceSum, F32, 0",
    "ReduceProd, F16, 1",
    "ReduceL1, F32, 0",
    "ReduceL2, F16, 0",
    "ReduceSumSquare, F32, 0",
    "ReduceLogSum, F32, -Infinity",
    "ReduceLogSumExp, F32, -Infinity"
  })
  void foldsOfNoElements(String op, DType dtype, double expected) {
    ElementType type = ElementType.of(dtype);
    OnnxModel model =
        new Models()
            .opset(20)
            .constant(Models.longs("axes", 1))
            .input(Models.value("x", type.code(), 2, 0, 3))
            .output(new ProtoWriter().string(1, "y"))
            .add(Models.node(op, "x axes", "y"))
            .model();
    Tensor y = model.run(Map.of("x", Tensor.zeros(2, 0, 3).to(dtype))).get("y");
    assertThat(y.dtype()).isEqualTo(dtype);
    assertThat(y.shape().toArray()).containsExactly(2, 1, 3);
    assertThat(y.toDoubleArray()).containsOnly(expected);
  }
}
