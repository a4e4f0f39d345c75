package io.quern.onnx;

import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Conv2d;
import io.quern.op.ConvTranspose2d;
import io.quern.op.Pad;
import io.quern.op.Unary;
import io.quern.op.Window;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** Convolutions in any number of dimensions, made of those in two. */
final class ConvOps {
  private ConvOps() {}

  static void addTo(OpTable table) {
    table.op(
        "Conv", 1, call -> conv(call, call.in(0), call.in(1), call.has(2) ? call.in(2) : null));
    table.op("ConvTranspose", 1, ConvOps::transposed);
    table.op("Col2Im", 18, ConvOps::joined);
    table.ops("CausalConvWithState", 27, ConvOps::causal);
    table.eager("DeformConv", 19, DeformConv::apply);
  }

  static Tensor conv(Call call, Tensor x, Tensor weight, @Nullable Tensor bias) {
    Windows windows = windows(call, x, weight);
    int groups = (int) call.integer("group", 1);
    return convolve(x, weight, bias, windows, groups);
  }

  /** The window of a convolution of images. */
  static Window window(Call call, Tensor x, Tensor weight) {
    return windows(call, x, weight).window(x.shape());
  }

  private static Windows windows(Call call, Tensor x, Tensor weight) {
    return Windows.of(call, x.shape(), weight.shape().slice(2, weight.rank()).toArray());
  }

  /**
   * A convolution of each channel by itself, in which no output sees later inputs, and the inputs
   * that those of a next call see too.
   */
  private static Tensor[] causal(Call call) {
    Tensor x = call.in(0);
    Tensor weight = call.in(1);
    if (x.rank() != 3 || weight.rank() != 3 || weight.dim(0) != x.dim(1) || weight.dim(1) != 1) {
      throw call.error(
          "expected an input of [batch, channels, length] and a weight of [channels, 1, kernel],"
              + " found %s and %s",
          x.shape(), weight.shape());
    }
    Shape stateShape = Shape.of(x.dim(0), x.dim(1), weight.dim(2) - 1);
    Tensor state = call.has(3) ? call.in(3) : Call.full(0, x.dtype(), stateShape);
    if (!state.shape().equals(stateShape)) {
      throw call.error("past_state must be of shape %s, found %s", stateShape, state.shape());
    }
    Tensor all = Tensor.concat(2, state, x);
    Tensor present = all.slice(2, x.dim(2), all.dim(2));
    String activation = call.text("activation", "none");
    UnaryOperator<Tensor> function =
        switch (activation) {
          case "none" -> y -> y;
          case "silu", "swish" -> y -> y.map(Unary.Fn.SILU);
          default ->
              throw call.error("activation must be none, silu or swish, found '%s'", activation);
        };
    if (x.size() == 0) {
      return new Tensor[] {x, present};
    }
    long[] one = {1};
    long[] none = {0};
    Windows windows =
        new Windows(new long[] {weight.dim(2)}, one, one, none, none, new long[] {x.dim(2)});
    Tensor bias = call.has(2) ? call.in(2) : null;
    Tensor sum = convolve(all, weight, bias, windows, x.shape().intDim(1));
    return new Tensor[] {function.apply(sum), present};
  }

  private static Tensor convolve(
      Tensor x, Tensor weight, @Nullable Tensor bias, Windows windows, int groups) {
    if (windows.spatial() == 1) {
      Tensor flat =
          image(x.unsqueeze(2), weight.unsqueeze(2), bias, windows.window(x.shape()), groups);
      return flat.squeeze(2);
    }
    if (windows.spatial() == 2) {
      return image(x, weight, bias, windows.window(x.shape()), groups);
    }
    Tensor sum = deep(x, weight, windows, groups);
    return bias == null ? sum : sum.add(perChannel(bias, x.rank()));
  }

  private static Tensor image(
      Tensor x, Tensor weight, @Nullable Tensor bias, Window window, int groups) {
    Conv2d op = new Conv2d(window, groups);
    return bias == null ? Tensor.apply(op, x, weight) : Tensor.apply(op, x, weight, bias);
  }

  /** [c] as [c, 1, ...], to be added to [n, c, ...]. */
  static Tensor perChannel(Tensor values, int rank) {
    Shape shape = values.shape();
    while (shape.rank() < rank - 1) {
      shape = shape.insert(shape.rank(), 1);
    }
    return values.reshape(shape);
  }

  /** The sum over the kernel's outermost dimension of convolutions with one dimension less. */
  private static Tensor deep(Tensor x, Tensor weight, Windows windows, int groups) {
    long[] before = new long[x.rank()];
    long[] after = new long[x.rank()];
    before[2] = windows.before()[0];
    after[2] = windows.reach(0, x.dim(2));
    Tensor padded = before[2] + after[2] == 0 ? x : x.pad(before, after, 0);
    Windows inner = inner(windows);
    long outputs = windows.outputs()[0];
    Tensor sum = null;
    for (long k = 0; k < windows.kernel()[0]; k++) {
      long from = k * windows.dilations()[0];
      long to = from + (outputs - 1) * windows.strides()[0] + 1;
      Tensor slices = padded.slice(2, from, to, windows.strides()[0]).transpose(1, 2);
      Shape tail = slices.shape().slice(2, slices.rank());
      Tensor part =
          convolve(
              slices.reshape(Shape.of(x.dim(0) * outputs).concat(tail)),
              weight.select(2, k),
              null,
              inner,
              groups);
      sum = sum == null ? part : sum.add(part);
    }
    Tensor result = sum == null ? x : sum;
    Shape tail = result.shape().slice(1, result.rank());
    return result.reshape(Shape.of(x.dim(0), outputs).concat(tail)).transpose(1, 2);
  }

  /** The windows without their outermost dimension. */
  private static Windows inner(Windows windows) {
    return new Windows(
        tail(windows.kernel()),
        tail(windows.strides()),
        tail(windows.dilations()),
        tail(windows.before()),
        tail(windows.after()),
        tail(windows.outputs()));
  }

  private static long[] tail(long[] values) {
    return Arrays.copyOfRange(values, 1, values.length);
  }

  private static Tensor transposed(Call call) {
    Tensor x = call.in(0);
    Tensor weight = call.in(1);
    int spatial = x.rank() - 2;
    long[] ones = new long[spatial];
    Arrays.fill(ones, 1);
    long[] strides = call.integers("strides", ones);
    long[] dilations = call.integers("dilations", ones);
    int groups = (int) call.integer("group", 1);
    Tensor full = scatter(x, weight, strides, dilations, groups);
    Tensor result = crop(call, full, x, weight, strides, dilations);
    return call.has(2) ? result.add(perChannel(call.in(2), x.rank())) : result;
  }

  /** The transposed convolution without padding: all that the input reaches. */
  private static Tensor scatter(
      Tensor x, Tensor weight, long[] strides, long[] dilations, int groups) {
    int spatial = strides.length;
    if (spatial == 1) {
      long[] stride = {1, strides[0]};
      long[] dilation = {1, dilations[0]};
      return scatter(x.unsqueeze(2), weight.unsqueeze(2), stride, dilation, groups).squeeze(2);
    }
    if (spatial == 2) {
      Window window =
          new Window(
              weight.shape().intDim(2),
              weight.shape().intDim(3),
              (int) strides[0],
              (int) strides[1],
              0,
              0,
              0,
              0,
              (int) dilations[0],
              (int) dilations[1]);
      return Tensor.apply(new ConvTranspose2d(window, groups, 0, 0), x, weight);
    }
    long depth = x.dim(2);
    long full = (depth - 1) * strides[0] + dilations[0] * (weight.dim(2) - 1) + 1;
    Tensor moved = x.transpose(1, 2);
    Tensor slices =
        moved.reshape(Shape.of(x.dim(0) * depth).concat(moved.shape().slice(2, moved.rank())));
    Tensor sum = null;
    for (long k = 0; k < weight.dim(2); k++) {
      Tensor part = scatter(slices, weight.select(2, k), tail(strides), tail(dilations), groups);
      part =
          part.reshape(Shape.of(x.dim(0), depth).concat(part.shape().slice(1, part.rank())))
              .transpose(1, 2);
      long low = k * dilations[0];
      long high = full - low - ((depth - 1) * strides[0] + 1);
      part = spread(part, low, high, strides[0] - 1);
      sum = sum == null ? part : sum.add(part);
    }
    return sum == null ? x : sum;
  }

  /** Zeros around and between the slices of axis 2. */
  private static Tensor spread(Tensor x, long low, long high, long interior) {
    List<Long> before = new java.util.ArrayList<>(Collections.nCopies(x.rank(), 0L));
    List<Long> after = new java.util.ArrayList<>(before);
    List<Long> between = new java.util.ArrayList<>(before);
    before.set(2, low);
    after.set(2, high);
    between.set(2, interior);
    return Tensor.apply(new Pad(before, after, between, 0), x);
  }

  /** Takes the padding away, and adds zeros where the output is larger than what was reached. */
  private static Tensor crop(
      Call call, Tensor full, Tensor x, Tensor weight, long[] strides, long[] dilations) {
    int spatial = strides.length;
    long[] extra = call.integers("output_padding", new long[spatial]);
    long[] wanted = call.integers("output_shape");
    long[] pads = call.integers("pads", new long[2 * spatial]);
    String auto = call.text("auto_pad", "NOTSET");
    long[] none = new long[full.rank()];
    long[] after = new long[full.rank()];
    for (int d = 0; d < spatial; d++) {
      long natural =
          strides[d] * (x.dim(d + 2) - 1) + extra[d] + (weight.dim(d + 2) - 1) * dilations[d] + 1;
      long begin = pads[d];
      long size = natural - pads[d] - pads[spatial + d];
      boolean same = auto.startsWith("SAME");
      if (wanted != null || same) {
        size = wanted == null ? x.dim(d + 2) * strides[d] : wanted[wanted.length - spatial + d];
        long total = Math.max(0, natural - size);
        begin = auto.equals("SAME_UPPER") ? total / 2 : total - total / 2;
      } else if (auto.equals("VALID")) {
        begin = 0;
        size = natural;
      }
      long end = Math.min(begin + size, full.dim(d + 2));
      full = full.slice(d + 2, begin, Math.max(begin, end));
      after[d + 2] = size - full.dim(d + 2);
    }
    return LongStream.of(after).sum() == 0 ? full : full.pad(none, after, 0);
  }

  /** Col2Im: the sum of blocks where they lie in the image; [n, c * block, places]. */
  private static Tensor joined(Call call) {
    Tensor x = call.in(0);
    long[] image = call.longs(1);
    long[] block = call.longs(2);
    int spatial = image.length;
    long[] strides = call.integers("strides", IndexOps.ones(spatial));
    long[] dilations = call.integers("dilations", IndexOps.ones(spatial));
    long[] pads = call.integers("pads", new long[2 * spatial]);
    long kernel = Arrays.stream(block).reduce(1, Math::multiplyExact);
    Shape lead = Shape.of(x.dim(0), x.dim(1) / kernel);
    Shape places = Shape.scalar();
    for (int d = 0; d < spatial; d++) {
      long room = image[d] + pads[d] + pads[spatial + d] - dilations[d] * (block[d] - 1) - 1;
      places = places.insert(d, room / strides[d] + 1);
    }
    Tensor split = x.reshape(lead.concat(Shape.of(kernel)).concat(places));
    Tensor sum = null;
    for (long k = 0; k < kernel; k++) {
      List<Long> low = new java.util.ArrayList<>(List.of(0L, 0L));
      List<Long> high = new java.util.ArrayList<>(low);
      List<Long> between = new java.util.ArrayList<>(low);
      long rest = k;
      long[] at = new long[spatial];
      for (int d = spatial - 1; d >= 0; d--) {
        at[d] = rest % block[d] * dilations[d];
        rest /= block[d];
      }
      for (int d = 0; d < spatial; d++) {
        long full = image[d] + pads[d] + pads[spatial + d];
        low.add(at[d]);
        high.add(full - at[d] - (places.dim(d) - 1) * strides[d] - 1);
        between.add(strides[d] - 1);
      }
      Tensor part = Tensor.apply(new Pad(low, high, between, 0), split.select(2, k));
      sum = sum == null ? part : sum.add(part);
    }
    Tensor result = sum == null ? x : sum;
    for (int d = 0; d < spatial; d++) {
      result = result.slice(d + 2, pads[d], pads[d] + image[d]);
    }
    return result;
  }
}
