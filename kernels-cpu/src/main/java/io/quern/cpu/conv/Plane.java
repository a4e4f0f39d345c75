package io.quern.cpu.conv;

import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * How the micro-kernel sees the image of a convolution: as a matrix of {@link #depth} rows whose
 * columns are output positions. Row t starts {@code offsets[t]} bytes into the image, and a
 * position is {@link #pitch} times its output row plus its output column.
 *
 * <p>A dense convolution reads the image, padded with zeros, in place: the rows overlap, and the
 * positions after the last column of an output row are computed for nothing. Any other is unfolded
 * to a matrix first (im2col), so its rows are apart.
 */
final class Plane {
  private static final EverySecond EVERY_SECOND = EverySecond.chosen();

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
    UNFOLD,
    /** As UNFOLD, for the gradient: the window's positions that an input pixel takes part in. */
    UNFOLD_TRANSPOSED
  }

  private Plane(
      ConvShape shape, Fill fill, int depth, int rows, int columns, int pitch, long[] rowOffsets) {
    this.shape = shape;
    this.fill = fill;
    this.depth = depth;
    this.rows = rows;
    this.columns = columns;
    this.pitch = pitch;
    Window window = shape.window();
    this.paddedH = shape.h() + window.padTop() + window.padBottom();
    this.paddedW = shape.w() + window.padLeft() + window.padRight();
    // A tile that is wider than the plane reaches beyond its end.
    long slack = 4L * MicroKernel.chosen().columns();
    this.bytes =
        slack
            + switch (fill) {
              case NONE -> 0;
              case PAD -> 4L * shape.c() * paddedH * paddedW;
              case UNFOLD, UNFOLD_TRANSPOSED -> 4L * depth * rows * columns;
            };
    this.offsets = owner.allocate(4L * Math.max(1, depth), 64).address();
    for (int t = 0; t < depth; t++) {
      Raw.putInt(offsets + 4L * t, Math.toIntExact(rowOffsets[t]));
    }
  }

  /** The plane of a convolution's forward pass. */
  static Plane forward(ConvShape shape) {
    if (!shape.isDense()) {
      return unfolded(shape, Fill.UNFOLD, shape.depth(), shape.oh(), shape.ow());
    }
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
    boolean narrow = (shape.oh() - 1) * paddedW + shape.ow() < MicroKernel.chosen().columns();
    boolean padded = narrow || paddedH != shape.h() || paddedW != shape.w();
    return new Plane(
        shape, padded ? Fill.PAD : Fill.NONE, t, shape.oh(), shape.ow(), paddedW, offsets);
  }

  /** The plane over the output's gradient for the gradient of the images. */
  static Plane inputGrad(ConvShape shape) {
    Window window = shape.window();
    int depth = shape.oc() * window.kernelH() * window.kernelW();
    return unfolded(shape, Fill.UNFOLD_TRANSPOSED, depth, shape.h(), shape.w());
  }

  private static Plane unfolded(ConvShape shape, Fill fill, int depth, int rows, int columns) {
    long[] offsets = new long[depth];
    for (int t = 0; t < depth; t++) {
      offsets[t] = 4L * t * rows * columns;
    }
    return new Plane(shape, fill, depth, rows, columns, columns, offsets);
  }

  /** Rows of the matrix. */
  int depth() {
    return depth;
  }

  /** Positions from one output row to the next. */
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
  long offsets() {
    return offsets;
  }

  /** Bytes that {@link #fill} needs, a tile of slack included. */
  long bytes() {
    return bytes;
  }

  /** Whether the image must be copied by {@link #fill} before it is used. */
  boolean needsFill() {
    return fill != Fill.NONE;
  }

  /** Prepares one group of one image. */
  void fill(long image, long to) {
    switch (fill) {
      case NONE -> {}
      case PAD -> pad(image, to);
      case UNFOLD -> unfold(image, to);
      case UNFOLD_TRANSPOSED -> unfoldTransposed(image, to);
    }
  }

  private void pad(long image, long to) {
    Window window = shape.window();
    MicroKernel micro = MicroKernel.chosen();
    Raw.zero(to, bytes);
    for (int c = 0; c < shape.c(); c++) {
      for (int y = 0; y < shape.h(); y++) {
        long at = ((long) c * paddedH + y + window.padTop()) * paddedW + window.padLeft();
        micro.copyRow(image, to + 4 * at, shape.w(), 0);
        image += 4L * shape.w();
      }
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
      EVERY_SECOND.copy(from, count, to);
      return;
    }
    for (int i = 0; i < count; i++) {
      Raw.putFloat(to + 4L * i, Raw.getFloat(from + 4L * i * stride));
    }
  }

  private void unfoldTransposed(long gradient, long to) {
    Window window = shape.window();
    for (int c = 0; c < shape.oc(); c++) {
      long channel = gradient + 4L * c * shape.outputPixels();
      for (int kh = 0; kh < window.kernelH(); kh++) {
        for (int kw = 0; kw < window.kernelW(); kw++) {
          int x0 = window.padLeft() - kw * window.dilationW();
          for (int y = 0; y < shape.h(); y++) {
            int sy = y + window.padTop() - kh * window.dilationH();
            int oy = sy / window.strideH();
            boolean inside = sy >= 0 && oy * window.strideH() == sy && oy < shape.oh();
            long row = channel + 4L * oy * shape.ow();
            for (int x = 0; x < shape.w(); x++) {
              int sx = x + x0;
              int ox = sx / window.strideW();
              boolean hit = inside && sx >= 0 && ox * window.strideW() == sx && ox < shape.ow();
              Raw.putFloat(to, hit ? Raw.getFloat(row + 4L * ox) : 0);
              to += 4;
            }
          }
        }
      }
    }
  }
}
