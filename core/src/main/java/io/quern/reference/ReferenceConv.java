package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Window;
import java.util.function.Consumer;

/** Convolutions and their gradients, each output element as one sum. */
final class ReferenceConv {
  private final Window window;
  private final int groups;

  ReferenceConv(Window window, int groups) {
    this.window = window;
    this.groups = groups;
  }

  /** A tensor [n, c, h, w], or the weight as [oc, ic, kh, kw], in memory. */
  private record Image(Elements elements, long address) {
    /** The element so far behind the first of a row. */
    double inRow(long row, long w) {
      return elements.getDouble(row + w * elements.stride(3));
    }

    void put(long n, long c, long h, long w, double value) {
      elements.put(at(n, c, h, w), value);
    }

    /** Address of the first element of a row. */
    long rowStart(long n, long c, long h) {
      return at(n, c, h, 0);
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
  private record Sizes(
      long batch, long groups, long in, long out, long inH, long inW, long outH, long outW) {
    static Sizes of(Shape image, Shape output, int groups) {
      return new Sizes(
          image.dim(0),
          groups,
          image.dim(1) / groups,
          output.dim(1) / groups,
          image.dim(2),
          image.dim(3),
          output.dim(2),
          output.dim(3));
    }
  }

  Consumer<Operands> forward(KernelKey key) {
    boolean biased = key.inputs() == 3;
    int output = key.inputs();
    Sizes sizes = Sizes.of(key.shape(0), key.shape(output), groups);
    Elements images = Elements.of(key, 0);
    Elements weights = Elements.of(key, 1);
    Elements bias = Elements.of(key, output - 1);
    Elements outputs = Elements.of(key, output);
    return memory -> {
      Image image = new Image(images, memory.address(0));
      Image weight = new Image(weights, memory.address(1));
      Image out = new Image(outputs, memory.address(output));
      for (long n = 0; n < sizes.batch; n++) {
        for (long oc = 0; oc < sizes.out * groups; oc++) {
          double start = biased ? bias.getDouble(memory.address(2) + oc * bias.stride(0)) : 0;
          for (long oh = 0; oh < sizes.outH; oh++) {
            for (long ow = 0; ow < sizes.outW; ow++) {
              out.put(n, oc, oh, ow, start + dot(sizes, image, weight, n, oc, oh, ow));
            }
          }
        }
      }
    };
  }

  private double dot(Sizes sizes, Image image, Image weight, long n, long oc, long oh, long ow) {
    long firstChannel = oc / sizes.out * sizes.in;
    double sum = 0;
    for (long ic = 0; ic < sizes.in; ic++) {
      for (int kh = 0; kh < window.kernelH(); kh++) {
        long h = row(oh, kh);
        if (h < 0 || h >= sizes.inH) {
          continue;
        }
        long pixels = image.rowStart(n, firstChannel + ic, h);
        long weights = weight.rowStart(oc, ic, kh);
        for (int kw = 0; kw < window.kernelW(); kw++) {
          long w = column(ow, kw);
          if (w >= 0 && w < sizes.inW) {
            sum += image.inRow(pixels, w) * weight.inRow(weights, kw);
          }
        }
      }
    }
    return sum;
  }

  /** Row of the image, which may lie in the padding, under row {@code kh} of a window. */
  private long row(long oh, int kh) {
    return oh * window.strideH() - window.padTop() + (long) kh * window.dilationH();
  }

  private long column(long ow, int kw) {
    return ow * window.strideW() - window.padLeft() + (long) kw * window.dilationW();
  }

  Consumer<Operands> inputGrad(KernelKey key) {
    Sizes sizes = Sizes.of(key.shape(2), key.shape(1), groups);
    Elements weights = Elements.of(key, 0);
    Elements gradients = Elements.of(key, 1);
    Elements outputs = Elements.of(key, 2);
    return memory -> {
      Image weight = new Image(weights, memory.address(0));
      Image gradient = new Image(gradients, memory.address(1));
      Image out = new Image(outputs, memory.address(2));
      for (long n = 0; n < sizes.batch; n++) {
        for (long c = 0; c < sizes.in * groups; c++) {
          for (long h = 0; h < sizes.inH; h++) {
            for (long w = 0; w < sizes.inW; w++) {
              out.put(n, c, h, w, inputGradient(sizes, weight, gradient, n, c, h, w));
            }
          }
        }
      }
    };
  }

  private double inputGradient(
      Sizes sizes, Image weight, Image gradient, long n, long c, long h, long w) {
    long ic = c % sizes.in;
    long firstOut = c / sizes.in * sizes.out;
    double sum = 0;
    for (long oc = firstOut; oc < firstOut + sizes.out; oc++) {
      for (int kh = 0; kh < window.kernelH(); kh++) {
        // The window positions whose row kh lies on row h: row(oh, kh) == h.
        long fromTop = h - row(0, kh);
        long oh = fromTop / window.strideH();
        if (fromTop < 0 || fromTop % window.strideH() != 0 || oh >= sizes.outH) {
          continue;
        }
        long gradients = gradient.rowStart(n, oc, oh);
        long weights = weight.rowStart(oc, ic, kh);
        for (int kw = 0; kw < window.kernelW(); kw++) {
          long fromLeft = w - column(0, kw);
          long ow = fromLeft / window.strideW();
          if (fromLeft >= 0 && fromLeft % window.strideW() == 0 && ow < sizes.outW) {
            sum += gradient.inRow(gradients, ow) * weight.inRow(weights, kw);
          }
        }
      }
    }
    return sum;
  }

  Consumer<Operands> weightGrad(KernelKey key) {
    Sizes sizes = Sizes.of(key.shape(0), key.shape(1), groups);
    Elements images = Elements.of(key, 0);
    Elements gradients = Elements.of(key, 1);
    Elements outputs = Elements.of(key, 2);
    return memory -> {
      Image image = new Image(images, memory.address(0));
      Image gradient = new Image(gradients, memory.address(1));
      Image out = new Image(outputs, memory.address(2));
      for (long oc = 0; oc < sizes.out * groups; oc++) {
        for (long ic = 0; ic < sizes.in; ic++) {
          for (int kh = 0; kh < window.kernelH(); kh++) {
            for (int kw = 0; kw < window.kernelW(); kw++) {
              out.put(oc, ic, kh, kw, weightGradient(sizes, image, gradient, oc, ic, kh, kw));
            }
          }
        }
      }
    };
  }

  private double weightGradient(
      Sizes sizes, Image image, Image gradient, long oc, long ic, int kh, int kw) {
    long channel = oc / sizes.out * sizes.in + ic;
    double sum = 0;
    for (long n = 0; n < sizes.batch; n++) {
      for (long oh = 0; oh < sizes.outH; oh++) {
        long h = row(oh, kh);
        if (h < 0 || h >= sizes.inH) {
          continue;
        }
        long pixels = image.rowStart(n, channel, h);
        long gradients = gradient.rowStart(n, oc, oh);
        for (long ow = 0; ow < sizes.outW; ow++) {
          long w = column(ow, kw);
          if (w >= 0 && w < sizes.inW) {
            sum += image.inRow(pixels, w) * gradient.inRow(gradients, ow);
          }
        }
      }
    }
    return sum;
  }
}
