package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/**
 * 2-D convolution of bytes to bytes: the sum of {@code (x - zero) w} and a bias, exact in integers
 * of 32 bits, times a scale for each output channel, as {@link Quantization} has it. Padding has
 * the byte {@code zero}. ONNX calls it QLinearConv.
 *
 * <p>Inputs: images [n, c, h, w] of U8 or I8, weight [oc, c / groups, kh, kw] of I8, scale [oc] of
 * F32, bias [oc] of I32; output [n, oc, oh, ow] of {@code result}'s dtype.
 *
 * @param zero what stands for 0 in the images
 */
public record QuantizedConv2d(Window window, int groups, int zero, Quantization result)
    implements Composite {
  /** Sums of so many products of bytes are floats. */
  private static final long EXACT = (1 << 24) / (255 * 128);

  @Override
  public String name() {
    return "quantized_conv2d";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 4);
    TensorSpec image = inputs.get(0);
    TensorSpec weight = inputs.get(1);
    Quantization.requireBytes(name(), image, zero);
    OpCheck.require(weight.dtype() == DType.I8, name(), "takes weights of I8, found %s", weight);
    List<TensorSpec> floats = List.of(image.with(DType.F32), weight.with(DType.F32));
    Shape output = new Conv2d(window, groups).infer(floats).getFirst().shape();
    Shape perChannel = Shape.of(output.dim(1));
    perChannel("the scale", inputs.get(2), new TensorSpec(DType.F32, perChannel));
    perChannel("the bias", inputs.get(3), new TensorSpec(DType.I32, perChannel));
    return List.of(new TensorSpec(result.dtype(), output));
  }

  private void perChannel(String what, TensorSpec found, TensorSpec expected) {
    OpCheck.require(
        found.equals(expected), name(), "%s must be %s, found %s", what, expected, found);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    Shape weight = builder.spec(inputs.get(1)).shape();
    boolean areFloats = weight.slice(1, weight.rank()).size() <= EXACT;
    Cast wide = new Cast(areFloats ? DType.F32 : DType.F64);
    T x = builder.apply(wide, Quantization.centred(builder, inputs.get(0), zero));
    T w = builder.apply(wide, inputs.get(1));
    T products = builder.apply(new Conv2d(window, groups), x, w);
    T whole = builder.apply(new Cast(DType.I32), products);
    Op spread = new View.Reshape(Shape.of(weight.dim(0), 1, 1));
    T bias = builder.apply(spread, inputs.get(3));
    T sum = builder.apply(new Binary(Binary.Fn.ADD), whole, bias);
    T floats = builder.apply(new Cast(DType.F32), sum);
    T scale = builder.apply(spread, inputs.get(2));
    return result.apply(builder, builder.apply(new Binary(Binary.Fn.MUL), floats, scale));
  }
}
