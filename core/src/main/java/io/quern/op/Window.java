package io.quern.op;

import io.quern.Shape;

/**
 * The window that a 2-D convolution or pooling slides over an image, heights before widths; sizes
 * in pixels. Padding holds zeros for convolutions and is left out of pooled maxima.
 */
public record Window(
    int kernelH,
    int kernelW,
    int strideH,
    int strideW,
    int padTop,
    int padLeft,
    int padBottom,
    int padRight,
    int dilationH,
    int dilationW) {

  public Window {
    if (kernelH < 1
        || kernelW < 1
        || strideH < 1
        || strideW < 1
        || dilationH < 1
        || dilationW < 1) {
      throw new IllegalArgumentException(
          "window: kernel, stride and dilation must be 1 or more, found kernel "
              + kernelH
              + "x"
              + kernelW
              + " stride "
              + strideH
              + "x"
              + strideW
              + " dilation "
              + dilationH
              + "x"
              + dilationW);
    }
    if (padTop < 0 || padLeft < 0 || padBottom < 0 || padRight < 0) {
      throw new IllegalArgumentException(
          "window: padding must not be negative, found top "
              + padTop
              + " left "
              + padLeft
              + " bottom "
              + padBottom
              + " right "
              + padRight);
    }
  }

  /** A square window with stride 1, no padding, no dilation. */
  public static Window of(int kernel) {
    return of(kernel, kernel);
  }

  /** A window with stride 1, no padding, no dilation. */
  public static Window of(int kernelH, int kernelW) {
    return new Window(kernelH, kernelW, 1, 1, 0, 0, 0, 0, 1, 1);
  }

  /** This window with another stride in both directions. */
  public Window stride(int stride) {
    return new Window(
        kernelH, kernelW, stride, stride, padTop, padLeft, padBottom, padRight, dilationH,
        dilationW);
  }

  /** This window with another padding on all four sides. */
  public Window padding(int padding) {
    return new Window(
        kernelH, kernelW, strideH, strideW, padding, padding, padding, padding, dilationH,
        dilationW);
  }

  /** This window with another dilation in both directions. */
  public Window dilation(int dilation) {
    return new Window(
        kernelH, kernelW, strideH, strideW, padTop, padLeft, padBottom, padRight, dilation,
        dilation);
  }

  /** Number of window positions over an image, [n, c, h, w] -> [n, c, oh, ow]. */
  Shape slide(String op, Shape image) {
    return Shape.of(
        image.dim(0),
        image.dim(1),
        ShapeRules.window(op, image.dim(2), kernelH, strideH, padTop, padBottom, dilationH),
        ShapeRules.window(op, image.dim(3), kernelW, strideW, padLeft, padRight, dilationW));
  }
}
