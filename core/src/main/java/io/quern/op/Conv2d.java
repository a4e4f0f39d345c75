package io.quern.op;

import io.quern.Shape;
import java.util.List;

/**
 * 2-D cross-correlation as used in neural networks. Inputs: images [n, c, h, w], weight [oc, c /
 * groups, kh, kw] and, when given, bias [oc]; output [n, oc, oh, ow].
 */
public record Conv2d(Window window, int groups) implements Op {
  @Override
  public String name() {
    return "conv2d";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2, 3);
    OpCheck.sameDType(name(), inputs);
    TensorSpec image = inputs.get(0);
    TensorSpec weight = inputs.get(1);
    OpCheck.floating(name(), image);
    OpCheck.rank(name(), "the input", image, 4);
    OpCheck.rank(name(), "the weight", weight, 4);
    long channels = image.shape().dim(1);
    long outChannels = weight.shape().dim(0);
    OpCheck.require(
        groups >= 1 && channels % groups == 0 && outChannels % groups == 0,
        name(),
        "%d groups do not divide %d input and %d output channels",
        groups,
        channels,
        outChannels);
    OpCheck.shape(
        name(),
        "the weight",
        weight.shape(),
        Shape.of(outChannels, channels / groups, window.kernelH(), window.kernelW()));
    if (inputs.size() == 3) {
      OpCheck.shape(name(), "the bias", inputs.get(2).shape(), Shape.of(outChannels));
    }
    return List.of(image.with(window.slide(name(), image.shape()).with(1, outChannels)));
  }
}
