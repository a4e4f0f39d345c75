package io.quern.op;

import io.quern.Shape;

/**
 * The window that a 3-D convolution slides over a volume: what it covers in depth, and in each
 * frame. Sizes in voxels; padding holds zeros.
 *
 * @param plane heights and widths
 */
public record Window3d(
    int kernelD, int strideD, int padFront, int padBack, int dilationD, Window plane) {

  public Window3d {
    OpCheck.require(
        kernelD >= 1 && strideD >= 1 && dilationD >= 1,
        "window",
        "kernel, stride and dilation must be 1 or more, found %d, %d and %d in depth",
        kernelD,
        strideD,
        dilationD);
    OpCheck.require(
        padFront >= 0 && padBack >= 0,
        "window",
        "padding must not be negative, found %d and %d in depth",
        padFront,
        padBack);
  }

  /** A cube with stride 1, no padding, no dilation. */
  public static Window3d of(int kernel) {
    return of(kernel, kernel, kernel);
  }

  /** A window with stride 1, no padding, no dilation. */
  public static Window3d of(int kernelD, int kernelH, int kernelW) {
    return new Window3d(kernelD, 1, 0, 0, 1, Window.of(kernelH, kernelW));
  }

  /** This window with another stride in all directions. */
  public Window3d stride(int stride) {
    return new Window3d(kernelD, stride, padFront, padBack, dilationD, plane.stride(stride));
  }

  /** This window with another padding on all six sides. */
  public Window3d padding(int padding) {
    return new Window3d(kernelD, strideD, padding, padding, dilationD, plane.padding(padding));
  }

  /** This window with another dilation in all directions. */
  public Window3d dilation(int dilation) {
    return new Window3d(kernelD, strideD, padFront, padBack, dilation, plane.dilation(dilation));
  }

  /** Number of window positions over a volume, [n, c, d, h, w] -> [n, c, od, oh, ow]. */
  Shape slide(String op, Shape volume) {
    long depth =
        ShapeRules.window(op, volume.dim(2), kernelD, strideD, padFront, padBack, dilationD);
    return plane.slide(op, volume.without(2)).insert(2, depth);
  }
}
