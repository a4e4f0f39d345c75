package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;

/** Samples images, of any number of dimensions, where a grid says. */
final class GridSample {
  private final String padding;
  private final boolean aligned;
  private final long[] sizes;
  private final long[] strides;

  private GridSample(Call call, Shape spatial) {
    this.padding = call.text("padding_mode", "zeros");
    this.aligned = call.flag("align_corners", false);
    this.sizes = spatial.toArray();
    this.strides = IndexOps.strides(spatial);
  }

  static OnnxValue[] sample(Call call) {
    Tensor x = call.known(0);
    Tensor grid = call.known(1);
    int spatial = x.rank() - 2;
    if (grid.rank() != spatial + 2 || grid.dim(-1) != spatial || grid.dim(0) != x.dim(0)) {
      throw call.error("a grid of %s does not fit %s", grid.shape(), x.shape());
    }
    GridSample sampler = new GridSample(call, x.shape().slice(2, x.rank()));
    String mode = call.text("mode", "linear");
    double[] pixels = x.toDoubleArray();
    double[] places = grid.toDoubleArray();
    int batch = x.shape().intDim(0);
    int channels = x.shape().intDim(1);
    Shape points = grid.shape().slice(1, grid.rank() - 1);
    int count = Math.toIntExact(points.size());
    int plane = Math.toIntExact(x.shape().slice(2, x.rank()).size());
    double[] result = new double[batch * channels * count];
    double[] at = new double[spatial];
    for (int n = 0; n < batch; n++) {
      for (int p = 0; p < count; p++) {
        for (int d = 0; d < spatial; d++) {
          // The grid names the innermost dimension first.
          double place = places[(n * count + p) * spatial + spatial - 1 - d];
          at[d] = sampler.denormalised(place, d);
        }
        for (int c = 0; c < channels; c++) {
          int base = (n * channels + c) * plane;
          result[(n * channels + c) * count + p] = sampler.value(call, pixels, base, at, mode);
        }
      }
    }
    Shape shape = Shape.of(batch, channels).concat(points);
    return OnnxValue.all(OnnxValue.doubles(x.dtype(), shape, result));
  }

  private double denormalised(double place, int d) {
    return aligned ? (place + 1) / 2 * (sizes[d] - 1) : ((place + 1) * sizes[d] - 1) / 2;
  }

  private double value(Call call, double[] pixels, int base, double[] at, String mode) {
    return switch (mode) {
      case "nearest" -> {
        long[] index = new long[at.length];
        for (int d = 0; d < index.length; d++) {
          index[d] = (long) Math.rint(bordered(at[d], d));
        }
        yield pixel(pixels, base, index);
      }
      case "linear", "bilinear" -> blend(pixels, base, at, new long[at.length], 0, false);
      case "cubic", "bicubic" -> blend(pixels, base, at, new long[at.length], 0, true);
      default -> throw call.error("mode '%s' is not known", mode);
    };
  }

  /** The weighted sum over the neighbours along dimension {@code d} and all after it. */
  private double blend(double[] pixels, int base, double[] at, long[] index, int d, boolean cubic) {
    if (d == at.length) {
      return pixel(pixels, base, index);
    }
    double place = cubic ? at[d] : bordered(at[d], d);
    long first = (long) Math.floor(place) - (cubic ? 1 : 0);
    double sum = 0;
    for (int k = 0; k < (cubic ? 4 : 2); k++) {
      index[d] = first + k;
      double distance = Math.abs(place - index[d]);
      double weight = cubic ? cubic(distance) : 1 - distance;
      sum += weight == 0 ? 0 : weight * blend(pixels, base, at, index, d + 1, cubic);
    }
    return sum;
  }

  private static double cubic(double x) {
    double a = -0.75;
    return x <= 1
        ? ((a + 2) * x - (a + 3)) * x * x + 1
        : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
  }

  /** A place moved into the image, where the padding says so. */
  private double bordered(double place, int d) {
    return switch (padding) {
      case "border" -> Math.clamp(place, 0, Math.max(0, sizes[d] - 1.0));
      case "reflection" -> Math.clamp(reflected(place, d), 0, Math.max(0, sizes[d] - 1.0));
      default -> place;
    };
  }

  private double reflected(double place, int d) {
    double low = aligned ? 0 : -0.5;
    double span = aligned ? sizes[d] - 1 : sizes[d];
    if (span <= 0) {
      return 0;
    }
    double within = Math.abs(place - low) % (2 * span);
    return low + (within <= span ? within : 2 * span - within);
  }

  private double pixel(double[] pixels, int base, long[] index) {
    long at = 0;
    for (int d = 0; d < index.length; d++) {
      long i = index[d];
      if (i < 0 || i >= sizes[d]) {
        if (padding.equals("zeros")) {
          return 0;
        }
        i =
            Math.clamp(
                padding.equals("border") ? i : Math.round(reflected((double) i, d)),
                0,
                sizes[d] - 1);
      }
      at += i * strides[d];
    }
    return pixels[(int) (base + at)];
  }

  /** AffineGrid: the places that an affine map makes of a regular grid. */
  static OnnxValue[] affineGrid(Call call) {
    Tensor theta = call.known(0);
    long[] size = call.longs(1);
    boolean aligned = call.flag("align_corners", false);
    int spatial = size.length - 2;
    Shape points = Shape.of(java.util.Arrays.copyOfRange(size, 2, size.length));
    int count = Math.toIntExact(points.size());
    double[] matrix = theta.toDoubleArray();
    double[] result = new double[Math.toIntExact(size[0]) * count * spatial];
    for (int n = 0; n < size[0]; n++) {
      for (int p = 0; p < count; p++) {
        double[] place = new double[spatial + 1];
        place[spatial] = 1;
        long rest = p;
        for (int d = spatial - 1; d >= 0; d--) {
          long length = points.dim(d);
          double i = rest % length;
          rest /= length;
          place[spatial - 1 - d] =
              aligned ? (length == 1 ? 0 : 2 * i / (length - 1) - 1) : (2 * i + 1) / length - 1;
        }
        for (int r = 0; r < spatial; r++) {
          double sum = 0;
          for (int c = 0; c <= spatial; c++) {
            sum += matrix[(n * spatial + r) * (spatial + 1) + c] * place[c];
          }
          result[(n * count + p) * spatial + r] = sum;
        }
      }
    }
    Shape shape = Shape.of(size[0]).concat(points).concat(Shape.of(spatial));
    DType dtype = theta.dtype();
    return OnnxValue.all(OnnxValue.doubles(dtype, shape, result));
  }
}
