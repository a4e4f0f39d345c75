package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * Transposed 2-D convolution, the gradient of a {@link Conv2d} for its input as a layer of its own.
 * Inputs: x [n, c, h, w], weight [c, oc / groups, kh, kw] and, when given, bias [oc]; output [n,
 * oc, oh, ow] with {@code oh = (h - 1) * stride - padding + dilation * (kernel - 1) + outputPad +
 * 1}. The output padding, less than the stride, tells which of the sizes that the convolution maps
 * to h is meant. As in PyTorch and ONNX.
 */
public record ConvTranspose2d(Window window, int groups, int outputPadH, int outputPadW)
    implements Composite {
  @Override
  public String name() {
    return "conv_transpose2d";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2, 3);
    OpCheck.sameDType(name(), inputs);
    TensorSpec x = inputs.get(0);
    TensorSpec weight = inputs.get(1);
    OpCheck.floating(name(), x);
    OpCheck.rank(name(), "the input", x, 4);
    OpCheck.rank(name(), "the weight", weight, 4);
    long channels = x.shape().dim(1);
    OpCheck.require(
        groups >= 1 && channels % groups == 0,
        name(),
        "%d groups do not divide %d input channels",
        groups,
        channels);
    Shape filter = Shape.of(channels, weight.shape().dim(1), window.kernelH(), window.kernelW());
    OpCheck.shape(name(), "the weight", weight.shape(), filter);
    OpCheck.require(
        outputPadH >= 0
            && outputPadH < window.strideH()
            && outputPadW >= 0
            && outputPadW < window.strideW(),
        name(),
        "output padding must be less than the stride, found %dx%d for stride %dx%d",
        outputPadH,
        outputPadW,
        window.strideH(),
        window.strideW());
    Shape output = output(x.shape(), weight.shape());
    if (inputs.size() == 3) {
      OpCheck.shape(name(), "the bias", inputs.get(2).shape(), Shape.of(output.dim(1)));
    }
    return List.of(x.with(output));
  }

  private Shape output(Shape x, Shape weight) {
    long height =
        (x.dim(2) - 1) * window.strideH()
            - window.padTop()
            - window.padBottom()
            + (long) window.dilationH() * (window.kernelH() - 1)
            + outputPadH
            + 1;
    long width =
        (x.dim(3) - 1) * window.strideW()
            - window.padLeft()
            - window.padRight()
            + (long) window.dilationW() * (window.kernelW() - 1)
            + outputPadW
            + 1;
    OpCheck.require(
        x.dim(2) > 0 && x.dim(3) > 0 && height > 0 && width > 0,
        name(),
        "an input of %s pixels gives no output",
        x.slice(2, 4));
    return Shape.of(x.dim(0), weight.dim(1) * groups, height, width);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T x = inputs.get(0);
    T weight = inputs.get(1);
    Shape output = output(builder.spec(x).shape(), builder.spec(weight).shape());
    T result = builder.apply(new Conv2dInputGrad(window, groups, output), weight, x);
    if (inputs.size() == 2) {
      return result;
    }
    Shape perChannel = Shape.of(output.dim(1), 1, 1);
    T bias = builder.apply(new View.Reshape(perChannel), inputs.get(2));
    return builder.apply(new Binary(Binary.Fn.ADD), result, bias);
  }
}
