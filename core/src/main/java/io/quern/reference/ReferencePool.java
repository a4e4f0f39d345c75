package io.quern.reference;

import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import java.util.Arrays;
import java.util.function.Consumer;

/** Pooling and its gradient, one window at a time. */
final class ReferencePool {
  private final Window window;
  private final boolean isMax;
  private final boolean countPadding;

  ReferencePool(Pool2d pool) {
    this.window = pool.window();
    this.isMax = pool.fn() == Pool2d.Fn.MAX;
    this.countPadding = pool.countPadding();
  }

  /** One channel of one image. */
  private record Plane(Elements elements, long address, long height, long width) {
    static Plane of(KernelKey key, int operand, Operands memory, long n, long c) {
      Elements elements = Elements.of(key, operand);
      return new Plane(
          elements,
          memory.address(operand) + n * elements.stride(0) + c * elements.stride(1),
          key.shape(operand).dim(2),
          key.shape(operand).dim(3));
    }

    double get(long h, long w) {
      return elements.getDouble(address + h * elements.stride(2) + w * elements.stride(3));
    }

    void put(long h, long w, double value) {
      elements.put(address + h * elements.stride(2) + w * elements.stride(3), value);
    }
  }

  Consumer<Operands> forward(KernelKey key) {
    return memory -> {
      for (long n = 0; n < key.shape(0).dim(0); n++) {
        for (long c = 0; c < key.shape(0).dim(1); c++) {
          forward(Plane.of(key, 0, memory, n, c), Plane.of(key, 1, memory, n, c));
        }
      }
    };
  }

  private void forward(Plane image, Plane out) {
    for (long oh = 0; oh < out.height; oh++) {
      for (long ow = 0; ow < out.width; ow++) {
        double max = Double.NEGATIVE_INFINITY;
        double sum = 0;
        long count = 0;
        for (int kh = 0; kh < window.kernelH(); kh++) {
          long h = row(oh, kh);
          for (int kw = 0; kw < window.kernelW(); kw++) {
            long w = column(ow, kw);
            if (h >= 0 && h < image.height && w >= 0 && w < image.width) {
              double x = image.get(h, w);
              max = Math.max(max, x);
              sum += x;
              count++;
            }
          }
        }
        out.put(oh, ow, isMax ? max : sum / divisor(count));
      }
    }
  }

  Consumer<Operands> grad(KernelKey key) {
    return memory -> {
      int width = key.shape(0).intDim(3);
      double[] sums = new double[Math.multiplyExact(key.shape(0).intDim(2), width)];
      for (long n = 0; n < key.shape(0).dim(0); n++) {
        for (long c = 0; c < key.shape(0).dim(1); c++) {
          Arrays.fill(sums, 0);
          addGradients(Plane.of(key, 0, memory, n, c), Plane.of(key, 1, memory, n, c), sums);
          Plane out = Plane.of(key, 2, memory, n, c);
          for (int i = 0; i < sums.length; i++) {
            out.put(i / width, i % width, sums[i]);
          }
        }
      }
    };
  }

  private void addGradients(Plane image, Plane gradient, double[] sums) {
    for (long oh = 0; oh < gradient.height; oh++) {
      for (long ow = 0; ow < gradient.width; ow++) {
        if (isMax) {
          sums[firstMax(image, oh, ow)] += gradient.get(oh, ow);
        } else {
          spread(image, oh, ow, gradient.get(oh, ow), sums);
        }
      }
    }
  }

  /** Position in the plane of the first element that attains the maximum, NaN above all. */
  private int firstMax(Plane image, long oh, long ow) {
    double max = 0;
    int at = -1;
    for (int kh = 0; kh < window.kernelH(); kh++) {
      long h = row(oh, kh);
      for (int kw = 0; kw < window.kernelW(); kw++) {
        long w = column(ow, kw);
        if (h >= 0 && h < image.height && w >= 0 && w < image.width) {
          double x = image.get(h, w);
          if (at < 0 || x > max || (Double.isNaN(x) && !Double.isNaN(max))) {
            max = x;
            at = (int) (h * image.width + w);
          }
        }
      }
    }
    return at;
  }

  private void spread(Plane image, long oh, long ow, double gradient, double[] sums) {
    long top = row(oh, 0);
    long left = column(ow, 0);
    long count = 0;
    for (int pass = 0; pass < 2; pass++) {
      for (int kh = 0; kh < window.kernelH(); kh++) {
        long h = top + (long) kh * window.dilationH();
        for (int kw = 0; kw < window.kernelW(); kw++) {
          long w = left + (long) kw * window.dilationW();
          if (h < 0 || h >= image.height || w < 0 || w >= image.width) {
            continue;
          }
          if (pass == 0) {
            count++;
          } else {
            sums[(int) (h * image.width + w)] += gradient / divisor(count);
          }
        }
      }
    }
  }

  private long divisor(long count) {
    return countPadding ? (long) window.kernelH() * window.kernelW() : count;
  }

  /** Row of the image, which may lie in the padding, under row {@code kh} of a window. */
  private long row(long oh, int kh) {
    return oh * window.strideH() - window.padTop() + (long) kh * window.dilationH();
  }

  private long column(long ow, int kw) {
    return ow * window.strideW() - window.padLeft() + (long) kw * window.dilationW();
  }
}
