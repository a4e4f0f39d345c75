package io.quern.onnx;

import io.quern.Shape;
import io.quern.Tensor;

/** Convolution of two dimensions whose places are moved by offsets (Dai et al., 2017). */
final class DeformConv {
  private DeformConv() {}

  static OnnxValue[] apply(Call call) {
    Tensor x = call.known(0);
    Tensor weight = call.known(1);
    Tensor offset = call.known(2);
    if (x.rank() != 4) {
      throw call.error("needs images [n, c, h, w], found %s", x.shape());
    }
    Windows windows = Windows.of(call, x.shape(), weight.shape().slice(2, weight.rank()).toArray());
    int groups = (int) call.integer("group", 1);
    int offsetGroups = (int) call.integer("offset_group", 1);
    Tensor columns = columns(x, offset, call.has(4) ? call.known(4) : null, windows, offsetGroups);
    long n = x.dim(0);
    long outputs = weight.dim(0);
    long places = windows.outputs()[0] * windows.outputs()[1];
    // [n, groups, c / groups * kernel, places]
    Tensor grouped = columns.reshape(n, groups, columns.dim(1) / groups, places);
    Tensor matrices = weight.reshape(1, groups, outputs / groups, -1);
    Tensor result =
        matrices.matmul(grouped).reshape(n, outputs, windows.outputs()[0], windows.outputs()[1]);
    return OnnxValue.all(call.has(3) ? result.add(ConvOps.perChannel(call.in(3), 4)) : result);
  }

  /** What the windows see, [n, c * kernel, places]. */
  private static Tensor columns(
      Tensor x,
      Tensor offset,
      @org.jspecify.annotations.Nullable Tensor mask,
      Windows windows,
      int offsetGroups) {
    int batch = x.shape().intDim(0);
    int channels = x.shape().intDim(1);
    int height = x.shape().intDim(2);
    int width = x.shape().intDim(3);
    int kernelW = (int) windows.kernel()[1];
    int kernel = (int) windows.kernel()[0] * kernelW;
    int outW = (int) windows.outputs()[1];
    int places = (int) windows.outputs()[0] * outW;
    double[] pixels = x.toDoubleArray();
    double[] moves = offset.toDoubleArray();
    double[] shares = mask == null ? null : mask.toDoubleArray();
    double[] columns = new double[batch * channels * kernel * places];
    for (int n = 0; n < batch; n++) {
      for (int c = 0; c < channels; c++) {
        int group = c / (channels / offsetGroups);
        int base = (n * channels + c) * height * width;
        for (int k = 0; k < kernel; k++) {
          int move = ((n * offsetGroups + group) * kernel + k) * 2 * places;
          int share = ((n * offsetGroups + group) * kernel + k) * places;
          int into = ((n * channels + c) * kernel + k) * places;
          long kernelRow = k / kernelW;
          for (int p = 0; p < places; p++) {
            long row = p / outW;
            double y =
                row * windows.strides()[0]
                    - windows.before()[0]
                    + kernelRow * windows.dilations()[0]
                    + moves[move + p];
            double z =
                (p % outW) * windows.strides()[1]
                    - windows.before()[1]
                    + (k % kernelW) * windows.dilations()[1]
                    + moves[move + places + p];
            double value = blended(pixels, base, height, width, y, z);
            columns[into + p] = shares == null ? value : value * shares[share + p];
          }
        }
      }
    }
    return OnnxValue.doubles(x.dtype(), Shape.of(batch, (long) channels * kernel, places), columns);
  }

  private static double blended(
      double[] pixels, int base, int height, int width, double y, double x) {
    int y0 = (int) Math.floor(y);
    int x0 = (int) Math.floor(x);
    double sum = 0;
    for (int corner = 0; corner < 4; corner++) {
      int row = y0 + corner / 2;
      int column = x0 + corner % 2;
      if (row >= 0 && row < height && column >= 0 && column < width) {
        double share = (1 - Math.abs(y - row)) * (1 - Math.abs(x - column));
        sum += share * pixels[base + row * width + column];
      }
    }
    return sum;
  }
}
