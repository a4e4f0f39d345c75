package io.quern.cpu.conv;

import io.quern.cpu.Twins;
import io.quern.cpu.gemm.EverySecond;
import io.quern.cpu.gemm.Transpose;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * A padded image whose channels lie together pixel by pixel, so that a window is read in few runs.
 * Its elements come in the order (kh, kw, c). Of windows one pixel high or wide only those rows, or
 * columns, are there that they read.
 */
final class PixelImage implements PaddedImage {
  /** Fewer channels fill too little of a vector for transposition to pay. */
  private static final int LEAST_CHANNELS = 16;

  private static final int LINE = 64;

  /** Pixels so far apart, or a multiple of it, would share few sets of the cache. */
  private static final int CROWDED = 1024;

  private final ConvShape shape;

  /** Rows, and columns, of the image from one of the copy to the next. */
  private final int rowStep;

  private final int columnStep;

  private final int rows;
  private final int columns;
  private final long pixel;
  private final Transpose transpose = Transpose.chosen();
  private final Twins<EverySecond> everySecond = EverySecond.twins();
  private final Arena owner = Arena.ofAuto();
  private final long offsets;

  PixelImage(ConvShape shape) {
    this.shape = shape;
    Window window = shape.window();
    boolean isFlat = window.kernelH() == 1;
    this.rowStep = isFlat ? window.strideH() : 1;
    this.rows = isFlat ? shape.oh() : shape.h() + window.padTop() + window.padBottom();
    this.columnStep = takesEverySecond(window) ? 2 : 1;
    this.columns = columnStep == 2 ? shape.ow() : shape.w() + window.padLeft() + window.padRight();
    this.pixel = 4L * shape.c() + (4 * shape.c() % CROWDED == 0 ? LINE : 0);
    this.offsets = owner.allocate(4L * Math.max(1, shape.depth()), LINE).address();
    long at = offsets;
    for (int kh = 0; kh < window.kernelH(); kh++) {
      for (int kw = 0; kw < window.kernelW(); kw++) {
        long tap = (long) kh * window.dilationH() * columns + (long) kw * window.dilationW();
        for (int c = 0; c < shape.c(); c++) {
          Raw.putInt(at, Math.toIntExact(tap * pixel + 4L * c));
          at += 4;
        }
      }
    }
  }

  private static boolean takesEverySecond(Window window) {
    return window.kernelW() == 1 && window.strideW() == 2 && window.padLeft() == 0;
  }

  /** Whether a shape has enough channels. */
  static boolean suits(ConvShape shape) {
    return shape.c() >= LEAST_CHANNELS;
  }

  @Override
  public boolean isCopy() {
    return true;
  }

  @Override
  public long bytes() {
    return rows * rowBytes();
  }

  private long rowBytes() {
    return columns * pixel;
  }

  @Override
  public int copiedRows() {
    return rows;
  }

  @Override
  public void copyRows(long image, int first, int end, long to) {
    Window window = shape.window();
    boolean isWhole = columns == shape.w() && rowStep == 1 && columnStep == 1;
    long secondBytes = columnStep == 1 ? 0 : 4L * shape.c() * columns;
    try (MemoryPool.Block memory = HostMemory.shared().allocate(Transpose.SCRATCH + secondBytes)) {
      for (int row = first; row < end; ) {
        int y = row * rowStep - window.padTop();
        long target = to + row * rowBytes();
        if (y < 0 || y >= shape.h()) {
          Raw.zero(target, rowBytes());
          row++;
          continue;
        }
        int together = isWhole ? Math.min(end - row, shape.h() - y) : 1;
        copyRow(image + 4L * y * shape.w(), together, target, memory.address());
        row += together;
      }
    }
  }

  /** Copies a row, or some that follow each other in the image as in the copy. */
  private void copyRow(long from, int rows, long to, long scratch) {
    long channel = 4L * shape.inputPixels();
    if (columnStep == 2) {
      long second = scratch + Transpose.SCRATCH;
      int count = Math.min(columns, (shape.w() + 1) / 2);
      everySecond.get().copyRows(from, channel, second, 4L * count, shape.c(), count);
      turn(second, 4L * count, count, to, scratch);
      Raw.zero(to + count * pixel, (columns - count) * pixel);
      return;
    }
    long pixels = (long) rows * shape.w();
    long at = to + shape.window().padLeft() * pixel;
    Raw.zero(to, at - to);
    turn(from, channel, pixels, at, scratch);
    Raw.zero(at + pixels * pixel, shape.window().padRight() * pixel);
  }

  private void turn(long from, long channel, long pixels, long to, long scratch) {
    transpose.run(from, channel, shape.c(), pixels, to, pixel, scratch);
  }

  @Override
  public long offset(int y, int x) {
    Window window = shape.window();
    long row = (long) y * (window.strideH() / rowStep);
    return (row * columns + (long) x * (window.strideW() / columnStep)) * pixel;
  }

  @Override
  public long offsets() {
    return offsets;
  }
}
