package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/** Sizes of a pooling, and the part of the image that each window covers. */
record PoolShape(Pool2d pool, int planes, int h, int w, int oh, int ow) {
  /** Whether offsets within a plane and the number of planes fit ints. */
  static boolean fits(Pool2d pool, Shape image) {
    Window window = pool.window();
    double padding = window.padTop() + (double) window.padLeft();
    double reach =
        Math.max(
            window.kernelH() * (double) window.dilationH() + window.strideH(),
            window.kernelW() * (double) window.dilationW() + window.strideW());
    return (double) image.dim(2) * image.dim(3) < 1 << 29
        && image.size() / image.dim(2) / image.dim(3) < 1 << 29
        && padding + reach < 1 << 29;
  }

  static PoolShape of(Pool2d pool, Shape image, Shape output) {
    return new PoolShape(
        pool,
        Math.toIntExact(image.dim(0) * image.dim(1)),
        image.intDim(2),
        image.intDim(3),
        output.intDim(2),
        output.intDim(3));
  }

  /** Planes that make up a chunk of work. */
  int planesPerChunk() {
    return Math.max(1, 16384 / Math.max(1, h * w));
  }

  int chunks() {
    return (planes + planesPerChunk() - 1) / planesPerChunk();
  }

  /** Whether it is the maximum of windows of 2x2, side by side and inside of the image. */
  boolean isMaxOfHalves() {
    return pool.fn() == Pool2d.Fn.MAX && pool.window().equals(Window.of(2).stride(2));
  }

  /** Whether the one window is the whole plane. */
  boolean isWhole() {
    Window window = pool.window();
    return oh * ow == 1
        && h * w > 0
        && window.kernelH() == h
        && window.kernelW() == w
        && window.padding(0).equals(window)
        && window.dilation(1).equals(window);
  }

  /** Whether there are kernels for elements of a dtype. */
  boolean isCovered(DType dtype) {
    return dtype == DType.F32 || (isMaxOfHalves() && Halving.covers(dtype));
  }

  /** What windows hold where they leave the image. */
  float neutral() {
    return pool.fn() == Pool2d.Fn.MAX ? Float.NEGATIVE_INFINITY : 0;
  }

  /** Address of what sums are divided by, for each output of a plane; 0 for maxima. */
  long divisors(Arena owner) {
    if (pool.fn() == Pool2d.Fn.MAX) {
      return 0;
    }
    Window window = pool.window();
    long table = owner.allocate(4L * Math.max(1, oh * ow), 64).address();
    for (int oy = 0; oy < oh; oy++) {
      int rows = count(firstRow(oy), endRow(oy), window.dilationH());
      for (int ox = 0; ox < ow; ox++) {
        int columns = count(firstColumn(ox), endColumn(ox), window.dilationW());
        Raw.putFloat(table + 4L * (oy * ow + ox), divisor(rows, columns));
      }
    }
    return table;
  }

  private static int count(int first, int end, int step) {
    return Math.max(0, (end - first + step - 1) / step);
  }

  int firstRow(int oy) {
    Window window = pool.window();
    int y = oy * window.strideH() - window.padTop();
    return y >= 0 ? y : y + (-y + window.dilationH() - 1) / window.dilationH() * window.dilationH();
  }

  int endRow(int oy) {
    Window window = pool.window();
    int last =
        oy * window.strideH() - window.padTop() + (window.kernelH() - 1) * window.dilationH();
    return Math.min(h, last + 1);
  }

  int firstColumn(int ox) {
    Window window = pool.window();
    int x = ox * window.strideW() - window.padLeft();
    return x >= 0 ? x : x + (-x + window.dilationW() - 1) / window.dilationW() * window.dilationW();
  }

  int endColumn(int ox) {
    Window window = pool.window();
    int last =
        ox * window.strideW() - window.padLeft() + (window.kernelW() - 1) * window.dilationW();
    return Math.min(w, last + 1);
  }

  /** What an average divides by. */
  float divisor(int rows, int columns) {
    Window window = pool.window();
    return pool.countPadding() ? window.kernelH() * window.kernelW() : rows * columns;
  }
}
