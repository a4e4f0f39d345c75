package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Window;
import java.util.function.Consumer;

/**
 * Convolutions and their gradients. What a weight contributes is added to a whole plane at once;
 * each element is a sum in the order of channels, then rows, then columns of the window.
 */
final class ReferenceConv {
  private final Window window;
  private final int groups;

  ReferenceConv(Window window, int groups) {
    this.window = window;
    this.groups = groups;
  }

  /** A tensor [n, c, h, w], or the weight as [oc, ic, kh, kw], in memory. */
  private record Image(Elements elements, int height, int width, long address) {
    static Image of(KernelKey key, int operand, Operands memory) {
      Shape shape = key.shape(operand);
      return new Image(
          Elements.of(key, operand),
          Math.toIntExact(shape.dim(2)),
          Math.toIntExact(shape.dim(3)),
          memory.address(operand));
    }

    double get(long n, long c, long h, long w) {
      return elements.getDouble(at(n, c, h, w));
    }

    void put(long n, long c, long h, long w, double value) {
      elements.put(at(n, c, h, w), value);
    }

    double[][] plane(long n, long c) {
      double[][] rows = new double[height][width];
      for (int h = 0; h < height; h++) {
        for (int w = 0; w < width; w++) {
          rows[h][w] = get(n, c, h, w);
        }
      }
      return rows;
    }

    void put(long n, long c, double[][] plane, double start) {
      for (int h = 0; h < height; h++) {
        for (int w = 0; w < width; w++) {
          put(n, c, h, w, start + plane[h][w]);
        }
      }
    }

    private long at(long n, long c, long h, long w) {
      return address
          + n * elements.stride(0)
          + c * elements.stride(1)
          + h * elements.stride(2)
          + w * elements.stride(3);
    }
  }

  /** Sizes of a convolution; channels are counted per group. */
  private record Sizes(long batch, int in, int out) {
    static Sizes of(Shape image, Shape output, int groups) {
      return new Sizes(
          image.dim(0),
          Math.toIntExact(image.dim(1) / groups),
          Math.toIntExact(output.dim(1) / groups));
    }
  }

  Consumer<Operands> forward(KernelKey key) {
    boolean biased = key.inputs() == 3;
    int output = key.inputs();
    Sizes sizes = Sizes.of(key.shape(0), key.shape(output), groups);
    Elements bias = Elements.of(key, output - 1);
    return memory -> {
      Image image = Image.of(key, 0, memory);
      Image weight = Image.of(key, 1, memory);
      Image out = Image.of(key, output, memory);
      for (long n = 0; n < sizes.batch; n++) {
        for (long group = 0; group < groups; group++) {
          double[][][] channels = planes(image, n, group * sizes.in, sizes.in);
          for (long oc = group * sizes.out; oc < (group + 1) * sizes.out; oc++) {
            double start = biased ? bias.getDouble(memory.address(2) + oc * bias.stride(0)) : 0;
            double[][] sums = new double[out.height][out.width];
            for (int ic = 0; ic < sizes.in; ic++) {
              addWindows(sums, channels[ic], weight, oc, ic);
            }
            out.put(n, oc, sums, start);
          }
        }
      }
    };
  }

  private static double[][][] planes(Image image, long n, long first, int count) {
    double[][][] planes = new double[count][][];
    for (int c = 0; c < count; c++) {
      planes[c] = image.plane(n, first + c);
    }
    return planes;
  }

  /** Adds what one channel contributes to the outputs. */
  private void addWindows(double[][] sums, double[][] channel, Image weight, long oc, long ic) {
    for (int kh = 0; kh < window.kernelH(); kh++) {
      for (int kw = 0; kw < window.kernelW(); kw++) {
        double factor = weight.get(oc, ic, kh, kw);
        for (int oh = 0; oh < sums.length; oh++) {
          int h = row(oh, kh);
          if (h >= 0 && h < channel.length) {
            addRow(sums[oh], factor, channel[h], column(0, kw), window.strideW());
          }
        }
      }
    }
  }

  /** Adds to each sum the multiple of an element, {@code step} further each, where there is one. */
  private static void addRow(double[] sums, double factor, double[] row, int first, int step) {
    int begin = Math.max(0, (-first + step - 1) / step);
    int end = Math.min(sums.length, Math.floorDiv(row.length - 1 - first, step) + 1);
    for (int i = begin; i < end; i++) {
      sums[i] += row[first + i * step] * factor;
    }
  }

  /** Row of the image, which may lie in the padding, under row {@code kh} of a window. */
  private int row(int oh, int kh) {
    return oh * window.strideH() - window.padTop() + kh * window.dilationH();
  }

  private int column(int ow, int kw) {
    return ow * window.strideW() - window.padLeft() + kw * window.dilationW();
  }

  Consumer<Operands> inputGrad(KernelKey key) {
    Sizes sizes = Sizes.of(key.shape(2), key.shape(1), groups);
    return memory -> {
      Image weight = Image.of(key, 0, memory);
      Image gradient = Image.of(key, 1, memory);
      Image out = Image.of(key, 2, memory);
      for (long n = 0; n < sizes.batch; n++) {
        for (long group = 0; group < groups; group++) {
          long firstOut = group * sizes.out;
          double[][][] gradients = planes(gradient, n, firstOut, sizes.out);
          for (int ic = 0; ic < sizes.in; ic++) {
            double[][] sums = new double[out.height][out.width];
            for (int oc = 0; oc < sizes.out; oc++) {
              spreadWindows(sums, gradients[oc], weight, firstOut + oc, ic);
            }
            out.put(n, group * sizes.in + ic, sums, 0);
          }
        }
      }
    };
  }

  /** Adds what the gradients of one channel of the output contribute to the image's. */
  private void spreadWindows(
      double[][] sums, double[][] gradients, Image weight, long oc, long ic) {
    for (int kh = 0; kh < window.kernelH(); kh++) {
      for (int kw = 0; kw < window.kernelW(); kw++) {
        double factor = weight.get(oc, ic, kh, kw);
        for (int oh = 0; oh < gradients.length; oh++) {
          int h = row(oh, kh);
          if (h >= 0 && h < sums.length) {
            spreadRow(sums[h], factor, gradients[oh], column(0, kw), window.strideW());
          }
        }
      }
    }
  }

  private static void spreadRow(double[] sums, double factor, double[] row, int first, int step) {
    for (int i = 0; i < row.length; i++) {
      int at = first + i * step;
      if (at >= 0 && at < sums.length) {
        sums[at] += row[i] * factor;
      }
    }
  }

  Consumer<Operands> weightGrad(KernelKey key) {
    Sizes sizes = Sizes.of(key.shape(0), key.shape(1), groups);
    return memory -> {
      Image image = Image.of(key, 0, memory);
      Image gradient = Image.of(key, 1, memory);
      Image out = Image.of(key, 2, memory);
      for (long group = 0; group < groups; group++) {
        double[][][][] channels = batch(sizes.batch, image, group * sizes.in, sizes.in);
        double[][][][] gradients = batch(sizes.batch, gradient, group * sizes.out, sizes.out);
        for (int oc = 0; oc < sizes.out; oc++) {
          for (int ic = 0; ic < sizes.in; ic++) {
            for (int kh = 0; kh < window.kernelH(); kh++) {
              for (int kw = 0; kw < window.kernelW(); kw++) {
                double sum = weightGradient(channels, gradients, oc, ic, kh, kw);
                out.put(group * sizes.out + oc, ic, kh, kw, sum);
              }
            }
          }
        }
      }
    };
  }

  private static double[][][][] batch(long batch, Image image, long first, int count) {
    double[][][][] images = new double[Math.toIntExact(batch)][][][];
    for (int n = 0; n < images.length; n++) {
      images[n] = planes(image, n, first, count);
    }
    return images;
  }

  private double weightGradient(
      double[][][][] images, double[][][][] gradients, int oc, int ic, int kh, int kw) {
    double sum = 0;
    for (int n = 0; n < images.length; n++) {
      double[][] channel = images[n][ic];
      double[][] ofOutput = gradients[n][oc];
      for (int oh = 0; oh < ofOutput.length; oh++) {
        int h = row(oh, kh);
        if (h >= 0 && h < channel.length) {
          sum = addProducts(sum, ofOutput[oh], channel[h], column(0, kw), window.strideW());
        }
      }
    }
    return sum;
  }

  private static double addProducts(
      double sum, double[] gradients, double[] row, int first, int step) {
    double result = sum;
    for (int i = 0; i < gradients.length; i++) {
      int at = first + i * step;
      if (at >= 0 && at < row.length) {
        result += row[at] * gradients[i];
      }
    }
    return result;
  }
}
