package io.quern.op;

import java.util.List;

/**
 * Sum of bytes with scales: {@code (a - zeroA) scaleA + (b - zeroB) scaleB}, computed in F32, as
 * {@link Quantization} has it. The scales are those of the inputs divided by that of the result.
 * Inputs: a and b of U8 or I8, of shapes that broadcast; output of {@code result}'s dtype.
 */
public record QuantizedAdd(float scaleA, int zeroA, float scaleB, int zeroB, Quantization result)
    implements Composite {
  @Override
  public String name() {
    return "quantized_add";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    TensorSpec a = inputs.get(0);
    TensorSpec b = inputs.get(1);
    Quantization.requireBytes(name(), a, zeroA);
    Quantization.requireBytes(name(), b, zeroB);
    return List.of(
        new TensorSpec(result.dtype(), ShapeRules.broadcast(name(), a.shape(), b.shape())));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T a = scaled(builder, inputs.get(0), zeroA, scaleA);
    T b = scaled(builder, inputs.get(1), zeroB, scaleB);
    return result.apply(builder, builder.apply(new Binary(Binary.Fn.ADD), a, b));
  }

  private static <T> T scaled(OpBuilder<T> builder, T bytes, int zero, float scale) {
    T centred = Quantization.centred(builder, bytes, zero);
    return builder.apply(new Binary(Binary.Fn.MUL), centred, builder.constant(centred, scale));
  }
}
