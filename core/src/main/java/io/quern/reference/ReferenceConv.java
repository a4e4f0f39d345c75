package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Window;
import java.util.function.Consumer;

/**
 * Convolutions and their gradients. What a weight contributes is added to a whole plane at once;
 * each element is a sum in the order of channels, then rows, then columns of the window. No more
 * than one image, and the gradients of one group's weights, is copied at a time.
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
              windows(channels[ic], sums, weight, oc, ic, ReferenceConv::addRow);
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

  /** What one weight does to a row of the image and a row of outputs below it. */
  private interface RowAction {
    /**
     * Takes output i together with element {@code first + i * step} of the image, where there is
     * one.
     */
    void run(double[] image, double[] outputs, double weight, long first, int step);
  }

  /** All weights of two channels, each with all rows of windows. */
  private void windows(
      double[][] image, double[][] outputs, Image weight, long oc, long ic, RowAction action) {
    for (int kh = 0; kh < window.kernelH(); kh++) {
      for (int kw = 0; kw < window.kernelW(); kw++) {
        double factor = weight.get(oc, ic, kh, kw);
        for (int oh = 0; oh < outputs.length; oh++) {
          long h = row(oh, kh);
          if (h >= 0 && h < image.length) {
            action.run(image[(int) h], outputs[oh], factor, column(kw), window.strideW());
          }
        }
      }
    }
  }

  private static void addRow(
      double[] image, double[] outputs, double weight, long first, int step) {
    int end = end(image, outputs, first, step);
    for (int i = begin(first, step); i < end; i++) {
      outputs[i] += image[(int) first + i * step] * weight;
    }
  }

  private static void spreadRow(
      double[] image, double[] outputs, double weight, long first, int step) {
    int end = end(image, outputs, first, step);
    for (int i = begin(first, step); i < end; i++) {
      image[(int) first + i * step] += outputs[i] * weight;
    }
  }

  /** The first output whose element of the image is not left of it. */
  private static int begin(long first, int step) {
    return first >= 0 ? 0 : (int) Math.min(Integer.MAX_VALUE, (step - 1 - first) / step);
  }

  /** The first output, if any, whose element of the image is right of it. */
  private static int end(double[] image, double[] outputs, long first, int step) {
    return Math.clamp(Math.floorDiv(image.length - 1 - first, step) + 1, 0, outputs.length);
  }

  /** Row of the image, which may lie in the padding, under row {@code kh} of a window. */
  private long row(int oh, int kh) {
    return (long) oh * window.strideH() - window.padTop() + (long) kh * window.dilationH();
  }

  /** Column of the image under column {@code kw} of the first window. */
  private long column(int kw) {
    return (long) kw * window.dilationW() - window.padLeft();
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
              windows(sums, gradients[oc], weight, firstOut + oc, ic, ReferenceConv::spreadRow);
            }
            out.put(n, group * sizes.in + ic, sums, 0);
          }
        }
      }
    };
  }

  Consumer<Operands> weightGrad(KernelKey key) {
    Sizes sizes = Sizes.of(key.shape(0), key.shape(1), groups);
    return memory -> {
      Image image = Image.of(key, 0, memory);
      Image gradient = Image.of(key, 1, memory);
      Image out = Image.of(key, 2, memory);
      for (long group = 0; group < groups; group++) {
        double[][][][] sums = new double[sizes.out][sizes.in][out.height][out.width];
        for (long n = 0; n < sizes.batch; n++) {
          double[][][] channels = planes(image, n, group * sizes.in, sizes.in);
          double[][][] gradients = planes(gradient, n, group * sizes.out, sizes.out);
          for (int oc = 0; oc < sizes.out; oc++) {
            for (int ic = 0; ic < sizes.in; ic++) {
              addWeightGradients(sums[oc][ic], channels[ic], gradients[oc]);
            }
          }
        }
        for (int oc = 0; oc < sizes.out; oc++) {
          for (int ic = 0; ic < sizes.in; ic++) {
            out.put(group * sizes.out + oc, ic, sums[oc][ic], 0);
          }
        }
      }
    };
  }

  private void addWeightGradients(double[][] sums, double[][] image, double[][] gradients) {
    for (int kh = 0; kh < sums.length; kh++) {
      for (int kw = 0; kw < sums[kh].length; kw++) {
        double sum = sums[kh][kw];
        for (int oh = 0; oh < gradients.length; oh++) {
          long h = row(oh, kh);
          if (h >= 0 && h < image.length) {
            sum = addProducts(sum, image[(int) h], gradients[oh], column(kw), window.strideW());
          }
        }
        sums[kh][kw] = sum;
      }
    }
  }

  private static double addProducts(
      double sum, double[] image, double[] gradients, long first, int step) {
    double result = sum;
    int end = end(image, gradients, first, step);
    for (int i = begin(first, step); i < end; i++) {
      result += image[(int) first + i * step] * gradients[i];
    }
    return result;
  }
}
