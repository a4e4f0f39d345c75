package io.quern.cpu.conv;

import io.quern.Shape;
import io.quern.op.Window;
import org.jspecify.annotations.Nullable;

/**
 * Sizes of a convolution from images [n, groups * c, h, w] with weights [groups * oc, c, kh, kw] to
 * [n, groups * oc, oh, ow]; c and oc count the channels of one group.
 */
record ConvShape(Window window, int n, int groups, int c, int h, int w, int oc, int oh, int ow) {
  /** Bytes and counts up to here are added and multiplied by small numbers as ints. */
  private static final double LARGEST = 1 << 30;

  /** Planes that are laid out for one channel at most. */
  private static final long MOST_PLANES = 64;

  /** Taps of a small filter. */
  private static final int SMALL_FILTER = 16;

  /**
   * Whether all sizes and offsets within one image fit ints, padded and, with a stride, unfolded.
   */
  static boolean fits(Window window, int groups, Shape image, Shape weight, Shape output) {
    boolean unfolds = window.strideH() > 1 || window.strideW() > 1;
    return fits(window, groups, image, weight, output, unfolds);
  }

  /** Whether all sizes and offsets within one padded image fit ints. */
  static boolean fitsPadded(Window window, int groups, Shape image, Shape weight, Shape output) {
    return fits(window, groups, image, weight, output, false);
  }

  private static boolean fits(
      Window window, int groups, Shape image, Shape weight, Shape output, boolean unfolds) {
    double paddedH = image.dim(2) + (double) window.padTop() + window.padBottom();
    double paddedW = image.dim(3) + (double) window.padLeft() + window.padRight();
    double reachH = (window.kernelH() - 1.0) * window.dilationH();
    double reachW = (window.kernelW() - 1.0) * window.dilationW();
    double pixels =
        Math.max(
            (paddedH + reachH) * (paddedW + reachW),
            (output.dim(2) + 2 * reachH) * (output.dim(3) + 2 * reachW));
    double channels = Math.max(weight.dim(1), weight.dim(0) / groups);
    double taps = unfolds ? (double) window.kernelH() * window.kernelW() : 1;
    return 4 * pixels * channels * taps < LARGEST
        && 4.0 * weight.size() < LARGEST
        && (double) image.dim(0) * groups < LARGEST / 16
        && Math.max(window.strideH() * paddedH, window.strideW() * paddedW) < LARGEST;
  }

  /** The sizes when each group has one input channel, and is of moderate size; otherwise null. */
  static @Nullable ConvShape depthwise(
      Window window, int groups, Shape image, Shape weight, Shape output) {
    boolean fits =
        groups > 1
            && weight.dim(1) == 1
            && fits(window, groups, image, weight, output)
            && weight.dim(0) / groups * window.strideH() * window.strideW() <= MOST_PLANES;
    return fits ? of(window, groups, image, weight, output) : null;
  }

  /**
   * The sizes when each group has one input channel, of moderate size, or the only group has one
   * and filters are small: then one filter after another costs less than a product of matrices of
   * such a small depth. Otherwise null.
   */
  static @Nullable ConvShape filters(
      Window window, int groups, Shape image, Shape weight, Shape output) {
    boolean small =
        groups == 1
            && weight.dim(1) == 1
            && window.kernelH() * window.kernelW() <= SMALL_FILTER
            && fits(window, groups, image, weight, output);
    return small
        ? of(window, groups, image, weight, output)
        : depthwise(window, groups, image, weight, output);
  }

  static ConvShape of(Window window, int groups, Shape image, Shape weight, Shape output) {
    return new ConvShape(
        window,
        image.intDim(0),
        groups,
        weight.intDim(1),
        image.intDim(2),
        image.intDim(3),
        weight.intDim(0) / groups,
        output.intDim(2),
        output.intDim(3));
  }

  /** The same with another number of input channels in a group. */
  ConvShape withChannels(int other) {
    return new ConvShape(window, n, groups, other, h, w, oc, oh, ow);
  }

  /** Weights per output channel: the length of the dot products. */
  int depth() {
    return c * window.kernelH() * window.kernelW();
  }

  /** Pixels of one output channel. */
  int outputPixels() {
    return oh * ow;
  }

  /** Pixels of one input channel. */
  int inputPixels() {
    return h * w;
  }

  /** Whether neighbouring outputs use neighbouring inputs, so that images are read in place. */
  boolean isDense() {
    return window.strideH() == 1 && window.strideW() == 1;
  }

  /** Whether every output uses one pixel, which lies where the output does. */
  boolean isPointwise() {
    return isDense() && window.kernelH() == 1 && window.kernelW() == 1 && oh == h && ow == w;
  }

  /** Bytes of one group of one image. */
  long imageBytes() {
    return 4L * c * h * w;
  }

  /** Bytes of one group of one output. */
  long outputBytes() {
    return 4L * oc * oh * ow;
  }

  /** Bytes of one group's weights. */
  long weightBytes() {
    return 4L * oc * depth();
  }

  /**
   * The convolution that computes the gradient of a dense one's images from the gradient of its
   * output: the same window turned around, over the output padded by what the kernel reaches
   * beyond. Negative padding means that no such convolution exists.
   */
  ConvShape transposed() {
    int reachH = (window.kernelH() - 1) * window.dilationH();
    int reachW = (window.kernelW() - 1) * window.dilationW();
    Window turned =
        new Window(
            window.kernelH(),
            window.kernelW(),
            1,
            1,
            reachH - window.padTop(),
            reachW - window.padLeft(),
            reachH - window.padBottom(),
            reachW - window.padRight(),
            window.dilationH(),
            window.dilationW());
    return new ConvShape(turned, n, groups, oc, oh, ow, c, h, w);
  }

  /** Whether {@link #transposed} exists. */
  boolean hasTransposed() {
    return isDense()
        && (window.kernelH() - 1) * window.dilationH()
            >= Math.max(window.padTop(), window.padBottom())
        && (window.kernelW() - 1) * window.dilationW()
            >= Math.max(window.padLeft(), window.padRight());
  }
}
