package io.quern.op;

import io.quern.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * 3-D cross-correlation as used in neural networks. Inputs: volumes [n, c, d, h, w], weight [oc, c
 * / groups, kd, kh, kw] and, when given, bias [oc]; output [n, oc, od, oh, ow].
 *
 * <p>It is a {@link Conv2d} of n * od images that have, as channels, the kd frames under the window
 * of each of the c channels.
 */
public record Conv3d(Window3d window, int groups) implements Composite {
  /** Exchanges channels and depth. */
  private static final View SWAP = new View.Permute(List.of(0, 2, 1, 3, 4));

  @Override
  public String name() {
    return "conv3d";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    Window plane = window.plane();
    Shape kernel = Shape.of(window.kernelD(), plane.kernelH(), plane.kernelW());
    long filters = OpCheck.convolution(name(), inputs, kernel, groups);
    TensorSpec volume = inputs.getFirst();
    return List.of(volume.with(window.slide(name(), volume.shape()).with(1, filters)));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    Shape volume = builder.spec(inputs.get(0)).shape();
    Shape weight = builder.spec(inputs.get(1)).shape();
    Shape positions = window.slide(name(), volume);
    long n = volume.dim(0);
    long depth = positions.dim(2);
    // The frames of a channel stay together, so that groups are runs of channels as before.
    Shape images = Shape.of(n * depth, volume.dim(1) * window.kernelD());
    Shape filters = Shape.of(weight.dim(0), weight.dim(1) * window.kernelD());
    Shape result = Shape.of(n, depth, weight.dim(0), positions.dim(3), positions.dim(4));

    List<T> operands = new ArrayList<>(inputs);
    T frames = underWindow(builder, inputs.get(0), depth);
    operands.set(0, reshape(builder, frames, images.concat(volume.slice(3, 5))));
    operands.set(1, reshape(builder, inputs.get(1), filters.concat(weight.slice(3, 5))));
    T planes = builder.apply(new Conv2d(window.plane(), groups), operands);
    return builder.apply(SWAP, reshape(builder, planes, result));
  }

  /** The frames under the window at each depth, [n, c, d, h, w] -> [n, od, c, kd * h, w]. */
  private <T> T underWindow(OpBuilder<T> builder, T volume, long depth) {
    T frames = builder.apply(SWAP, volume);
    if (window.padFront() > 0 || window.padBack() > 0) {
      List<Long> none = List.of(0L, 0L, 0L, 0L, 0L);
      List<Long> front = List.of(0L, (long) window.padFront(), 0L, 0L, 0L);
      List<Long> back = List.of(0L, (long) window.padBack(), 0L, 0L, 0L);
      frames = builder.apply(new Pad(front, back, none, 0), frames);
    }
    List<T> taps = new ArrayList<>();
    for (int tap = 0; tap < window.kernelD(); tap++) {
      long first = (long) tap * window.dilationD();
      taps.add(builder.apply(new View.Slice(1, first, depth, window.strideD()), frames));
    }
    return taps.size() == 1 ? taps.getFirst() : builder.apply(new Concat(3), taps);
  }

  private static <T> T reshape(OpBuilder<T> builder, T value, Shape shape) {
    return builder.apply(new View.Reshape(shape), value);
  }
}
