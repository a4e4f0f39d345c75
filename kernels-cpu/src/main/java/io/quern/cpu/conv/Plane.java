package io.quern.cpu.conv;

import io.quern.cpu.Twins;
import io.quern.cpu.gemm.EverySecond;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * How the micro-kernel sees the image of a convolution: as a matrix with a row for each weight (c,
 * kh, kw), which starts {@code offsets} bytes into the image, and a column for each position,
 * {@link #pitch} times its row plus its column.
 *
 * <p>The image is read in place, padded with zeros where needed, so the rows overlap; for outputs
 * that are neighbours when their pixels are, the positions after the last column of an output row
 * are computed for nothing. Otherwise the gradient of the weights unfolds it to a matrix (im2col).
 */
final class Plane implements PaddedImage {
  private static final Twins<EverySecond> EVERY_SECOND = EverySecond.twins();

  private final ConvShape shape;
  private final Fill fill;
  private final int depth;
  private final int rows;
  private final int columns;
  private final int pitch;
  private final int paddedH;
  private final int paddedW;
  private final long bytes;
  private final Arena owner = Arena.ofAuto();
  private final long offsets;

  private enum Fill {
    /** The image itself. */
    NONE,
    /** A copy with zeros around each channel. */
    PAD,
    /** Rows of the matrix one by one. */
    UNFOLD
  }

  private Plane(ConvShape shape, Fill fill, int pitch, long[] rowOffsets) {
    this.shape = shape;
    this.fill = fill;
    this.depth = shape.depth();
    this.rows = shape.oh();
    this.columns = shape.ow();
    this.pitch = pitch;
    Window window = shape.window();
    this.paddedH = shape.h() + window.padTop() + window.padBottom();
    this.paddedW = shape.w() + window.padLeft() + window.padRight();
    this.bytes =
        switch (fill) {
          case NONE -> 0;
          case PAD -> 4L * shape.c() * paddedH * paddedW;
          case UNFOLD -> 4L * depth * rows * columns;
        };
    this.offsets = owner.allocate(4L * Math.max(1, depth), 64).address();
    for (int t = 0; t < depth; t++) {
      Raw.putInt(offsets + 4L * t, Math.toIntExact(rowOffsets[t]));
    }
  }

  /** The padded image, whose rows are {@link #pitch} pixels apart, for windows of any stride. */
  static Plane padded(ConvShape shape) {
    Window window = shape.window();
    int paddedH = shape.h() + window.padTop() + window.padBottom();
    int paddedW = shape.w() + window.padLeft() + window.padRight();
    long[] offsets = new long[shape.depth()];
    int t = 0;
    for (int c = 0; c < shape.c(); c++) {
      for (int kh = 0; kh < window.kernelH(); kh++) {
        for (int kw = 0; kw < window.kernelW(); kw++) {
          long y = (long) c * paddedH + (long) kh * window.dilationH();
          offsets[t++] = 4 * (y * paddedW + (long) kw * window.dilationW());
        }
      }
    }
    boolean padded = paddedH != shape.h() || paddedW != shape.w();
    return new Plane(shape, padded ? Fill.PAD : Fill.NONE, paddedW, offsets);
  }

  /** The matrix of all positions, in place where neighbouring outputs use neighbouring pixels. */
  static Plane positions(ConvShape shape) {
    if (shape.isDense()) {
      return padded(shape);
    }
    long[] offsets = new long[shape.depth()];
    for (int t = 0; t < offsets.length; t++) {
      offsets[t] = 4L * t * shape.outputPixels();
    }
    return new Plane(shape, Fill.UNFOLD, shape.ow(), offsets);
  }

  /** Rows of the matrix. */
  int depth() {
    return depth;
  }

  /** Positions, or pixels, from one row to the next. */
  int pitch() {
    return pitch;
  }

  /** Output rows. */
  int rows() {
    return rows;
  }

  /** Output columns; the positions beyond them up to the pitch mean nothing. */
  int columns() {
    return columns;
  }

  /** Positions from the first to the last output. */
  int positions() {
    return (rows - 1) * pitch + columns;
  }

  /** Address of the table of row offsets; valid as long as this object is. */
  @Override
  public long offsets() {
    return offsets;
  }

  /** Bytes that {@link #fill} needs. */
  @Override
  public long bytes() {
    return bytes;
  }

  /** Whether the image must be copied by {@link #fill} before it is used. */
  @Override
  public boolean isCopy() {
    return fill != Fill.NONE;
  }

  @Override
  public int copiedRows() {
    return paddedH;
  }

  /** Prepares one group of one image. */
  void fill(long image, long to) {
    switch (fill) {
      case NONE -> {}
      case PAD -> copyRows(image, 0, paddedH, to);
      case UNFOLD -> unfold(image, to);
    }
  }

  @Override
  public void copyRows(long image, int first, int end, long to) {
    for (int c = 0; c < shape.c(); c++) {
      pad(image, c, first, end, to);
    }
  }

  /** Copies some padded rows of a channel. */
  private void pad(long image, int channel, int first, int end, long to) {
    Window window = shape.window();
    int firstOfImage = Math.clamp(first - (long) window.padTop(), 0, shape.h());
    int endOfImage = Math.clamp(end - (long) window.padTop(), firstOfImage, shape.h());
    long row = 4L * paddedW;
    long padded = to + (long) channel * paddedH * row;
    Raw.zero(padded + first * row, (end - first) * row);
    MicroKernel.chosen()
        .copyRows(
            image + 4L * ((long) channel * shape.h() + firstOfImage) * shape.w(),
            4L * shape.w(),
            padded + (window.padTop() + firstOfImage) * row + 4L * window.padLeft(),
            row,
            endOfImage - firstOfImage,
            shape.w(),
            0);
  }

  @Override
  public long offset(int y, int x) {
    Window window = shape.window();
    return 4 * ((long) y * window.strideH() * paddedW + (long) x * window.strideW());
  }

  /**
   * Copies all rows of some output pixels, at most {@link ByteMoves#MOST}, by machine code.
   *
   * @param image the padded image
   * @param toRow bytes from a row to the next
   */
  void gatherPanel(long image, int first, int count, long to, long toRow) {
    Window window = shape.window();
    for (int done = 0; done < count; ) {
      int y = (first + done) / shape.ow();
      int x = first + done - y * shape.ow();
      int pixels = Math.min(count - done, shape.ow() - x);
      ByteMoves.gather(
          image + offset(y, x), offsets, depth, window.strideW(), to + 4L * done, toRow, pixels);
      done += pixels;
    }
  }

  private void unfold(long image, long to) {
    Window window = shape.window();
    for (int c = 0; c < shape.c(); c++) {
      long channel = image + 4L * c * shape.inputPixels();
      for (int kh = 0; kh < window.kernelH(); kh++) {
        for (int kw = 0; kw < window.kernelW(); kw++) {
          int x0 = kw * window.dilationW() - window.padLeft();
          int first = Math.clamp(-Math.floorDiv(x0, window.strideW()), 0, shape.ow());
          int end =
              Math.clamp(
                  Math.floorDiv(shape.w() - 1 - x0, window.strideW()) + 1, first, shape.ow());
          for (int oy = 0; oy < shape.oh(); oy++) {
            int y = oy * window.strideH() + kh * window.dilationH() - window.padTop();
            if (y < 0 || y >= shape.h()) {
              clear(to, shape.ow());
            } else {
              clear(to, first);
              long row = channel + 4L * y * shape.w() + 4L * x0;
              copyStrided(row + 4L * first * window.strideW(), end - first, to + 4L * first);
              clear(to + 4L * end, shape.ow() - end);
            }
            to += 4L * shape.ow();
          }
        }
      }
    }
  }

  private static void clear(long to, int count) {
    for (int i = 0; i < count; i++) {
      Raw.putFloat(to + 4L * i, 0);
    }
  }

  private void copyStrided(long from, int count, long to) {
    int stride = shape.window().strideW();
    if (stride == 2) {
      EVERY_SECOND.get().copy(from, count, to);
      return;
    }
    for (int i = 0; i < count; i++) {
      Raw.putFloat(to + 4L * i, Raw.getFloat(from + 4L * i * stride));
    }
  }
}
