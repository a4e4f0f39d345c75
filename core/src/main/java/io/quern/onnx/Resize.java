package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.Arrays;

/**
 * Resize: each axis on its own is a product with a matrix that holds how much each input element
 * counts for each output element; for nearest neighbours it is a gather.
 */
final class Resize {
  private final Call call;
  private final String mode;
  private final String coordinates;
  private final boolean outsideCounts;
  private final double extrapolated;

  private Resize(Call call) {
    this.call = call;
    this.mode = call.text("mode", "nearest");
    this.coordinates =
        call.text(
            "coordinate_transformation_mode", call.version() < 11 ? "asymmetric" : "half_pixel");
    this.outsideCounts = !call.flag("exclude_outside", false);
    this.extrapolated = call.number("extrapolation_value", 0);
  }

  /** One axis: its sizes, the scale, and the part of it that is meant (crop and resize). */
  private record Axis(int axis, long in, long out, double scale, double start, double end) {}

  /** Up to version 10 there are only scales. */
  static Tensor byScales(Call call, double[] scales) {
    Tensor x = call.in(0);
    Resize resize = new Resize(call);
    Tensor result = x;
    for (int d = 0; d < x.rank(); d++) {
      long out = (long) Math.floor(x.dim(d) * scales[d]);
      result = resize.along(result, new Axis(d, x.dim(d), out, scales[d], 0, 1));
    }
    return result;
  }

  static Tensor resize(Call call) {
    Tensor x = call.in(0);
    int rank = x.rank();
    long[] given = call.integers("axes");
    int[] axes = new int[given == null ? rank : given.length];
    for (int i = 0; i < axes.length; i++) {
      axes[i] = given == null ? i : call.axis(given[i], rank);
    }
    Resize resize = new Resize(call);
    double[] roi = call.has(1) ? call.doubles(1) : new double[0];
    double[] scales = call.has(2) ? call.doubles(2) : new double[0];
    boolean crops = resize.coordinates.equals("tf_crop_and_resize");
    long[] sizes = scales.length > 0 ? new long[0] : call.longs(3);
    if (Math.max(scales.length, sizes.length) != axes.length) {
      throw call.error("needs %d scales or sizes", axes.length);
    }
    if (sizes.length > 0) {
      scales = fitted(call, x, axes, sizes);
    }
    Tensor result = x;
    boolean[][] outside = new boolean[axes.length][];
    for (int i = 0; i < axes.length; i++) {
      double start = crops ? roi[i] : 0;
      double end = crops ? roi[axes.length + i] : 1;
      long size = x.dim(axes[i]);
      long out = sizes.length > 0 ? sizes[i] : (long) Math.floor(size * (end - start) * scales[i]);
      Axis axis = new Axis(axes[i], size, out, scales[i], start, end);
      result = resize.along(result, axis);
      outside[i] = crops ? resize.outside(axis) : new boolean[0];
    }
    return crops ? resize.extrapolated(result, axes, outside) : result;
  }

  /** Scales that follow from sizes; with an aspect ratio to keep, sizes follow from scales. */
  private static double[] fitted(Call call, Tensor x, int[] axes, long[] sizes) {
    double[] scales = new double[sizes.length];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = (double) sizes[i] / x.dim(axes[i]);
    }
    String policy = call.text("keep_aspect_ratio_policy", "stretch");
    if (!policy.equals("stretch")) {
      double scale =
          policy.equals("not_larger")
              ? Arrays.stream(scales).min().orElse(1)
              : Arrays.stream(scales).max().orElse(1);
      for (int i = 0; i < scales.length; i++) {
        scales[i] = scale;
        sizes[i] = (long) Math.floor(scale * x.dim(axes[i]) + 0.5);
      }
    }
    return scales;
  }

  /** Where an output element lies among the input elements. */
  private double place(Axis axis, long out) {
    double scale = axis.scale;
    // What the scale makes of the size, which need not be whole.
    double length = axis.in * scale;
    return switch (coordinates) {
      case "half_pixel" -> (out + 0.5) / scale - 0.5;
      case "half_pixel_symmetric" -> {
        double adjustment = axis.out / length;
        double offset = axis.in / 2.0 * (1 - adjustment);
        yield offset + (out + 0.5) / scale - 0.5;
      }
      case "pytorch_half_pixel" -> axis.out > 1 ? (out + 0.5) / scale - 0.5 : 0;
      case "align_corners" -> length == 1 ? 0 : out * (axis.in - 1.0) / (length - 1);
      case "asymmetric" -> out / scale;
      case "tf_half_pixel_for_nn" -> (out + 0.5) / scale;
      case "tf_crop_and_resize" ->
          axis.out > 1
              ? axis.start * (axis.in - 1)
                  + out * (axis.end - axis.start) * (axis.in - 1) / (axis.out - 1)
              : 0.5 * (axis.start + axis.end) * (axis.in - 1);
      default -> throw call.error("coordinates '%s' are not known", coordinates);
    };
  }

  private Tensor along(Tensor x, Axis axis) {
    if (axis.in == axis.out && axis.scale == 1 && axis.start == 0 && axis.end == 1) {
      return x;
    }
    if (axis.in == 0) {
      throw call.error("axis %d of %s is empty", axis.axis, x.shape());
    }
    if (mode.equals("nearest")) {
      return x.gather(axis.axis, nearest(axis));
    }
    Tensor wide = x.dtype() == DType.F64 || x.dtype() == DType.F32 ? x : x.to(DType.F32);
    Tensor matrix = OnnxValue.doubles(wide.dtype(), Shape.of(axis.in, axis.out), weights(axis));
    int last = x.rank() - 1;
    Tensor moved = wide.transpose(axis.axis, last);
    Tensor flat = moved.reshape(x.size() / axis.in, axis.in);
    Tensor result = flat.matmul(matrix).reshape(moved.shape().with(last, axis.out));
    Tensor back = result.transpose(axis.axis, last);
    return x.dtype().isFloat()
        ? back.to(x.dtype())
        : QuantizeOps.saturated(back.map(io.quern.op.Unary.Fn.ROUND), ElementType.of(x.dtype()));
  }

  private Tensor nearest(Axis axis) {
    String rounding =
        call.text("nearest_mode", call.version() < 11 ? "floor" : "round_prefer_floor");
    long[] chosen = new long[Math.toIntExact(axis.out)];
    for (int i = 0; i < chosen.length; i++) {
      double at = place(axis, i);
      double whole =
          switch (rounding) {
            case "round_prefer_floor" -> Math.ceil(at - 0.5);
            case "round_prefer_ceil" -> Math.floor(at + 0.5);
            case "floor" -> Math.floor(at);
            case "ceil" -> Math.ceil(at);
            default -> throw call.error("nearest_mode '%s' is not known", rounding);
          };
      chosen[i] = Math.clamp((long) whole, 0, axis.in - 1);
    }
    return OnnxValue.longs(Shape.of(chosen.length), chosen);
  }

  /** [in, out]: how much each input element counts for each output element. */
  private double[] weights(Axis axis) {
    boolean cubic = mode.equals("cubic");
    if (!cubic && !mode.equals("linear") && !mode.equals("bilinear")) {
      throw call.error("mode '%s' is not known", mode);
    }
    double stretch = call.flag("antialias", false) && axis.scale < 1 ? axis.scale : 1;
    double a = call.number("cubic_coeff_a", -0.75);
    int reach = (int) Math.ceil((cubic ? 2 : 1) / stretch);
    double[] all = new double[Math.toIntExact(Math.multiplyExact(axis.in, axis.out))];
    for (long out = 0; out < axis.out; out++) {
      double at = place(axis, out);
      long base = (long) Math.floor(at);
      double[] weights = new double[2 * reach];
      double sum = 0;
      for (int k = 0; k < weights.length; k++) {
        long from = base - reach + 1 + k;
        double distance = Math.abs(at - from) * stretch;
        boolean counts = outsideCounts || (from >= 0 && from < axis.in);
        weights[k] = !counts ? 0 : cubic ? cubic(distance, a) : Math.max(0, 1 - distance);
        sum += weights[k];
      }
      boolean scaled = stretch != 1 || !outsideCounts;
      for (int k = 0; k < weights.length; k++) {
        long from = Math.clamp(base - reach + 1 + k, 0, axis.in - 1);
        all[(int) (from * axis.out + out)] += scaled ? weights[k] / sum : weights[k];
      }
    }
    return all;
  }

  /** Keys, "Cubic convolution interpolation for digital image processing", 1981. */
  private static double cubic(double x, double a) {
    return x <= 1
        ? ((a + 2) * x - (a + 3)) * x * x + 1
        : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
  }

  private boolean[] outside(Axis axis) {
    boolean[] outside = new boolean[(int) axis.out];
    for (int i = 0; i < outside.length; i++) {
      double at = place(axis, i);
      outside[i] = at < 0 || at > axis.in - 1;
    }
    return outside;
  }

  private Tensor extrapolated(Tensor x, int[] axes, boolean[][] outside) {
    Tensor result = x;
    for (int i = 0; i < axes.length; i++) {
      byte[] mask = new byte[outside[i].length];
      for (int k = 0; k < mask.length; k++) {
        mask[k] = (byte) (outside[i][k] ? 1 : 0);
      }
      long[] dims = IndexOps.ones(x.rank());
      dims[axes[i]] = mask.length;
      Tensor out = IndexOps.ofBytes(mask, DType.BOOL, Shape.of(dims));
      result = Tensor.where(out, ElementwiseOps.scalar(x, extrapolated), result);
    }
    return result;
  }

  /** CenterCropPad: cut off or filled up with zeros, around the middle. */
  static OnnxValue[] cropOrPad(Call call) {
    Tensor x = call.in(0);
    long[] sizes = call.longs(1);
    long[] axes = call.integers("axes");
    for (int i = 0; i < sizes.length; i++) {
      int axis = call.axis(axes == null ? i : axes[i], x.rank());
      long size = x.dim(axis);
      if (sizes[i] <= size) {
        long from = (size - sizes[i]) / 2;
        x = x.slice(axis, from, from + sizes[i]);
      } else {
        long[] before = new long[x.rank()];
        long[] after = new long[x.rank()];
        before[axis] = (sizes[i] - size) / 2;
        after[axis] = sizes[i] - size - before[axis];
        x = ShapeOps.surrounded(x, before, after, 0);
      }
    }
    return new OnnxValue[] {new OnnxValue.Dense(x, call.dense(0).type())};
  }
}
