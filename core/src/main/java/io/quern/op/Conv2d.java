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
    Shape kernel = Shape.of(window.kernelH(), window.kernelW());
    long filters = OpCheck.convolution(name(), inputs, kernel, groups);
    TensorSpec image = inputs.getFirst();
    return List.of(image.with(window.slide(name(), image.shape()).with(1, filters)));
  }
}
