package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/**
 * Matrix product of bytes less their zero points, {@code (a - za) (b - zb)}, exact and modulo 2^32.
 * Inputs: a [.., m, k] of U8 or I8, za of its dtype, b [.., k, n] of U8 or I8, zb of its dtype;
 * output [.., m, n]. The leading dimensions broadcast, za to a and zb to b. ONNX calls it
 * MatMulInteger.
 *
 * @param result I32, or F32 for the nearest floats
 */
public record IntegerMatMul(DType result) implements Composite {
  /** Products of that many differences of bytes have a sum that F32 holds exactly. */
  private static final long EXACT = (1 << 24) / (255 * 255);

  @Override
  public String name() {
    return "integer_matmul";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 4);
    OpCheck.require(
        result == DType.I32 || result == DType.F32, name(), "gives I32 or F32, not %s", result);
    for (int i = 0; i < 4; i += 2) {
      TensorSpec bytes = inputs.get(i);
      OpCheck.require(
          bytes.dtype() == DType.U8 || bytes.dtype() == DType.I8,
          name(),
          "multiplies U8 and I8, found %s",
          bytes);
      OpCheck.sameDType(name(), inputs.subList(i, i + 2));
      Shape zeroPoint = inputs.get(i + 1).shape();
      OpCheck.require(
          ShapeRules.broadcast(name(), zeroPoint, bytes.shape()).equals(bytes.shape()),
          name(),
          "the zero point must broadcast to %s, found %s",
          bytes.shape(),
          zeroPoint);
    }
    TensorSpec b = inputs.get(2).with(inputs.get(0).dtype());
    return List.of(new MatMul().infer(List.of(inputs.get(0), b)).getFirst().with(result));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T a = centred(builder, inputs.get(0), inputs.get(1));
    T b = centred(builder, inputs.get(2), inputs.get(3));
    int axisA = builder.spec(a).shape().rank() - 1;
    int axisB = builder.spec(b).shape().rank() - 2;
    long k = builder.spec(a).shape().dim(axisA);
    T sum = null;
    for (long from = 0; sum == null || from < k; from += EXACT) {
      long count = Math.min(EXACT, k - from);
      T left = builder.apply(new View.Slice(axisA, from, count, 1), List.of(a));
      T right = builder.apply(new View.Slice(axisB, from, count, 1), List.of(b));
      T product = builder.apply(new MatMul(), List.of(left, right));
      T part = builder.apply(new Cast(DType.I32), List.of(product));
      sum = sum == null ? part : builder.apply(new Binary(Binary.Fn.ADD), List.of(sum, part));
    }
    return result == DType.I32 ? sum : builder.apply(new Cast(result), List.of(sum));
  }

  private static <T> T centred(OpBuilder<T> builder, T bytes, T zeroPoint) {
    T floats = builder.apply(new Cast(DType.F32), List.of(bytes));
    T zero = builder.apply(new Cast(DType.F32), List.of(zeroPoint));
    return builder.apply(new Binary(Binary.Fn.SUB), List.of(floats, zero));
  }
}
