package io.quern.onnx;

import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Boxes and regions of images. */
final class DetectionOps {
  private DetectionOps() {}

  static void addTo(OpTable table) {
    table.eager("NonMaxSuppression", 10, DetectionOps::suppress);
    table.eager("RoiAlign", 10, DetectionOps::align);
    table.eager("MaxRoiPool", 1, DetectionOps::maxPool);
  }

  private static OnnxValue[] suppress(Call call) {
    Tensor boxes = call.known(0);
    Tensor scores = call.known(1);
    double[] corners = boxes.toDoubleArray();
    double[] score = scores.toDoubleArray();
    int batch = scores.shape().intDim(0);
    int classes = scores.shape().intDim(1);
    int count = scores.shape().intDim(2);
    long most = call.has(2) ? call.longs(2)[0] : 0;
    double overlap = call.scalar(3, 0);
    double least = call.scalar(4, Double.NEGATIVE_INFINITY);
    boolean centres = call.flag("center_point_box", false);
    List<Long> chosen = new ArrayList<>();
    for (int n = 0; n < batch; n++) {
      double[][] rectangles = new double[count][];
      for (int i = 0; i < count; i++) {
        rectangles[i] = rectangle(corners, (n * count + i) * 4, centres);
      }
      for (int c = 0; c < classes; c++) {
        int base = (n * classes + c) * count;
        Integer[] order = new Integer[count];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble(i -> -score[base + i]));
        List<Integer> kept = new ArrayList<>();
        for (int candidate : order) {
          if (kept.size() >= most || !(score[base + candidate] > least)) {
            break;
          }
          double[] mine = rectangles[candidate];
          if (kept.stream().noneMatch(other -> overlap(mine, rectangles[other]) > overlap)) {
            kept.add(candidate);
            chosen.addAll(List.of((long) n, (long) c, (long) candidate));
          }
        }
      }
    }
    long[] all = chosen.stream().mapToLong(Long::longValue).toArray();
    return OnnxValue.all(OnnxValue.longs(Shape.of(all.length / 3, 3), all));
  }

  /** Top, left, bottom, right. */
  private static double[] rectangle(double[] box, int at, boolean centres) {
    double a = box[at];
    double b = box[at + 1];
    double c = box[at + 2];
    double d = box[at + 3];
    return centres
        ? new double[] {b - d / 2, a - c / 2, b + d / 2, a + c / 2}
        : new double[] {Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)};
  }

  /** Intersection over union. */
  private static double overlap(double[] a, double[] b) {
    double height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
    double width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
    if (height <= 0 || width <= 0) {
      return 0;
    }
    double both = height * width;
    double union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
    return both / union;
  }

  private static OnnxValue[] align(Call call) {
    Tensor x = call.known(0);
    double[] pixels = x.toDoubleArray();
    double[] rois = call.doubles(1);
    long[] images = call.longs(2);
    int channels = x.shape().intDim(1);
    int height = x.shape().intDim(2);
    int width = x.shape().intDim(3);
    int outH = (int) call.integer("output_height", 1);
    int outW = (int) call.integer("output_width", 1);
    long sampling = call.integer("sampling_ratio", 0);
    double scale = call.number("spatial_scale", 1);
    String mode =
        call.text(
            "coordinate_transformation_mode",
            call.version() < 16 ? "output_half_pixel" : "half_pixel");
    boolean half = mode.equals("half_pixel");
    boolean max = call.text("mode", "avg").equals("max");
    double[] result = new double[images.length * channels * outH * outW];
    for (int r = 0; r < images.length; r++) {
      double offset = half ? 0.5 : 0;
      double left = rois[4 * r] * scale - offset;
      double top = rois[4 * r + 1] * scale - offset;
      double regionW = rois[4 * r + 2] * scale - offset - left;
      double regionH = rois[4 * r + 3] * scale - offset - top;
      if (!half) {
        regionW = Math.max(regionW, 1);
        regionH = Math.max(regionH, 1);
      }
      double binH = regionH / outH;
      double binW = regionW / outW;
      int rows = (int) (sampling > 0 ? sampling : Math.ceil(binH));
      int columns = (int) (sampling > 0 ? sampling : Math.ceil(binW));
      for (int c = 0; c < channels; c++) {
        int base = ((int) images[r] * channels + c) * height * width;
        for (int i = 0; i < outH * outW; i++) {
          double value = max ? Double.NEGATIVE_INFINITY : 0;
          int row = i / outW;
          int column = i % outW;
          for (int s = 0; s < rows * columns; s++) {
            int above = s / columns;
            int before = s % columns;
            double y = top + row * binH + (above + 0.5) * binH / rows;
            double z = left + column * binW + (before + 0.5) * binW / columns;
            value = sampled(pixels, base, height, width, y, z, max, value);
          }
          int into = (r * channels + c) * outH * outW + i;
          result[into] =
              max ? (rows * columns == 0 ? 0 : value) : value / Math.max(1, rows * columns);
        }
      }
    }
    Shape shape = Shape.of(images.length, channels, outH, outW);
    return OnnxValue.all(OnnxValue.doubles(x.dtype(), shape, result));
  }

  /** {@code value} with a pixel blended of four; the largest of them when {@code max}. */
  private static double sampled(
      double[] pixels,
      int base,
      int height,
      int width,
      double y,
      double x,
      boolean max,
      double value) {
    if (y < -1 || y > height || x < -1 || x > width) {
      return max ? Math.max(value, 0) : value;
    }
    double atY = Math.clamp(y, 0, height - 1.0);
    double atX = Math.clamp(x, 0, width - 1.0);
    int y0 = (int) atY;
    int x0 = (int) atX;
    int y1 = Math.min(y0 + 1, height - 1);
    int x1 = Math.min(x0 + 1, width - 1);
    double dy = atY - y0;
    double dx = atX - x0;
    double a = (1 - dy) * (1 - dx) * pixels[base + y0 * width + x0];
    double b = (1 - dy) * dx * pixels[base + y0 * width + x1];
    double c = dy * (1 - dx) * pixels[base + y1 * width + x0];
    double d = dy * dx * pixels[base + y1 * width + x1];
    return max ? Math.max(value, Math.max(Math.max(a, b), Math.max(c, d))) : value + a + b + c + d;
  }

  private static OnnxValue[] maxPool(Call call) {
    Tensor x = call.known(0);
    double[] pixels = x.toDoubleArray();
    double[] rois = call.doubles(1);
    long[] size = call.integersOf("pooled_shape");
    double scale = call.number("spatial_scale", 1);
    int channels = x.shape().intDim(1);
    int height = x.shape().intDim(2);
    int width = x.shape().intDim(3);
    int outH = (int) size[0];
    int outW = (int) size[1];
    int count = rois.length / 5;
    double[] result = new double[count * channels * outH * outW];
    for (int r = 0; r < count; r++) {
      long left = Math.round(rois[5 * r + 1] * scale);
      long top = Math.round(rois[5 * r + 2] * scale);
      long right = Math.round(rois[5 * r + 3] * scale);
      long bottom = Math.round(rois[5 * r + 4] * scale);
      double binH = (double) Math.max(bottom - top + 1, 1) / outH;
      double binW = (double) Math.max(right - left + 1, 1) / outW;
      for (int c = 0; c < channels; c++) {
        int image = (int) rois[5 * r];
        int base = (image * channels + c) * height * width;
        for (int i = 0; i < outH * outW; i++) {
          int row = i / outW;
          int column = i % outW;
          int y0 = Math.clamp((long) Math.floor(row * binH) + top, 0, height);
          int y1 = Math.clamp((long) Math.ceil((row + 1) * binH) + top, 0, height);
          int x0 = Math.clamp((long) Math.floor(column * binW) + left, 0, width);
          int x1 = Math.clamp((long) Math.ceil((column + 1) * binW) + left, 0, width);
          double most = y1 <= y0 || x1 <= x0 ? 0 : Double.NEGATIVE_INFINITY;
          for (int y = y0; y < y1; y++) {
            for (int z = x0; z < x1; z++) {
              most = Math.max(most, pixels[base + y * width + z]);
            }
          }
          result[(r * channels + c) * outH * outW + i] = most;
        }
      }
    }
    Shape shape = Shape.of(count, channels, outH, outW);
    return OnnxValue.all(OnnxValue.doubles(x.dtype(), shape, result));
  }
}
