package io.quern.cpu.conv;

import io.quern.cpu.Twins;
import io.quern.cpu.gemm.EverySecond;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * The windows of a convolution as a matrix with a row for each weight (c, kh, kw) and a column for
 * each position: output pixels, or for the gradient of strided images input pixels, whose row t is
 * the output gradient that the pixel has contributed to with weight t. Immutable and thread-safe.
 */
final class Patches {
  private static final Twins<EverySecond> EVERY_SECOND = EverySecond.twins();

  private static final int LINE = 64;

  /** What second-level caches hold, more or less. */
  private static final long NEAR_BYTES = 1 << 20;

  /** Positions of a strip, about. */
  static final int STRIP = 512;

  private final MicroKernel micro = MicroKernel.chosen();
  private final int width = micro.columns();
  private final ConvShape shape;
  private final boolean turned;
  private final int depth;
  private final int columns;
  private final int positions;
  private final boolean direct;
  private final boolean dense;
  private final Arena owner = Arena.ofAuto();

  /** Address of a table of offsets of the rows within a padded strip; 0 where there is none. */
  private final long offsets;

  private Patches(ConvShape shape, boolean turned) {
    this.shape = shape;
    this.turned = turned;
    Window window = shape.window();
    this.depth = (turned ? shape.oc() : shape.c()) * window.kernelH() * window.kernelW();
    this.columns = turned ? shape.w() : shape.ow();
    this.positions = turned ? shape.inputPixels() : shape.outputPixels();
    this.direct = !turned && shape.isPointwise() && (hasWholeLines() || isNear());
    this.dense = !turned && shape.isDense() && !shape.isPointwise();
    this.offsets = dense ? owner.allocate(4L * Math.max(1, depth), 64).address() : 0;
    if (dense) {
      fillOffsets();
    }
  }

  private void fillOffsets() {
    Window window = shape.window();
    int t = 0;
    for (int c = 0; c < shape.c(); c++) {
      for (int kh = 0; kh < window.kernelH(); kh++) {
        for (int kw = 0; kw < window.kernelW(); kw++) {
          int row = c * stripHeight() + kh * window.dilationH();
          int at = row * paddedWidth() + kw * window.dilationW();
          Raw.putInt(offsets + 4L * t++, 4 * at);
        }
      }
    }
  }

  private boolean hasWholeLines() {
    return 4 * positions % LINE == 0;
  }

  /** Whether what the matrix is read from is in the second-level cache, or soon will be. */
  boolean isNear() {
    return sourceBytes() <= NEAR_BYTES;
  }

  private int paddedWidth() {
    return shape.w() + shape.window().padLeft() + shape.window().padRight();
  }

  /** Rows of a channel in a padded strip. */
  private int stripHeight() {
    return stripRows() + (shape.window().kernelH() - 1) * shape.window().dilationH();
  }

  /** Whether neighbouring positions use neighbouring pixels of a padded strip of the image. */
  boolean isDense() {
    return dense;
  }

  /** Output rows of a strip. */
  int stripRows() {
    return Math.clamp(STRIP / columns, 1, shape.oh());
  }

  /** Bytes of a padded strip, with a panel of slack. */
  long stripBytes() {
    return 4L * shape.c() * stripHeight() * paddedWidth() + 4L * width;
  }

  /** Copies what the output rows from {@code y} on are computed from, with zeros around it. */
  void strip(long image, int y, long to) {
    Window window = shape.window();
    Raw.zero(to, stripBytes());
    int first = y - window.padTop();
    int end = Math.min(shape.h(), first + stripHeight());
    for (int c = 0; c < shape.c(); c++) {
      int row = Math.max(0, first);
      long at = ((long) c * stripHeight() + row - first) * paddedWidth() + window.padLeft();
      long from = image + 4L * ((long) c * shape.inputPixels() + (long) row * shape.w());
      long pitch = 4L * paddedWidth();
      micro.copyRows(from, 4L * shape.w(), to + 4 * at, pitch, end - row, shape.w(), 0);
    }
  }

  /** Copies a panel of the positions from column {@code x} on of a padded strip's row. */
  void panelOfStrip(long strip, int row, int x, long to) {
    micro.gatherRows(strip + 4L * ((long) row * paddedWidth() + x), offsets, depth, to);
  }

  /** Output columns. */
  int columns() {
    return columns;
  }

  /** The windows of a forward pass. */
  static Patches forward(ConvShape shape) {
    return new Patches(shape, false);
  }

  /** What the gradient of images gathers from the gradient of outputs. */
  static Patches inputGrad(ConvShape shape) {
    return new Patches(shape, true);
  }

  /** Rows of the matrix. */
  int depth() {
    return depth;
  }

  /** Columns of the matrix. */
  int positions() {
    return positions;
  }

  /** Bytes of one group of one image that the matrix is read from. */
  long sourceBytes() {
    return turned ? shape.outputBytes() : shape.imageBytes();
  }

  /** Whether whole panels are read in the image, where rows are {@link #positions} floats apart. */
  boolean isDirect() {
    return direct;
  }

  /** Copies the columns from {@code first} on to a panel of the micro-kernel. */
  void panel(long image, int first, int count, long to) {
    Window window = shape.window();
    if (count < width) {
      Raw.zero(to, 4L * width * depth);
    } else if (!turned && shape.isPointwise()) {
      micro.packRows(image + 4L * first, 4L * positions, depth, to);
      return;
    }
    for (int t = 0; t < depth; ) {
      int channel = t / (window.kernelH() * window.kernelW());
      for (int kh = 0; kh < window.kernelH(); kh++) {
        for (int kw = 0; kw < window.kernelW(); kw++) {
          row(image, channel, kh, kw, first, count, to + 4L * width * t++);
        }
      }
    }
  }

  private void row(long image, int channel, int kh, int kw, int first, int count, long to) {
    int y = first / columns;
    int x = first - y * columns;
    for (int done = 0; done < count; ) {
      int n = Math.min(columns - x, count - done);
      if (turned) {
        gradients(image, channel, kh, kw, y, x, n, to + 4L * done);
      } else {
        pixels(image, channel, kh, kw, y, x, n, to + 4L * done);
      }
      done += n;
      y++;
      x = 0;
    }
  }

  /** Pixels that n neighbouring outputs multiply by one weight. */
  private void pixels(long image, int c, int kh, int kw, int oy, int ox, int n, long to) {
    Window window = shape.window();
    int stride = window.strideW();
    int y = oy * window.strideH() + kh * window.dilationH() - window.padTop();
    if (y < 0 || y >= shape.h()) {
      clear(to, n);
      return;
    }
    int x0 = kw * window.dilationW() - window.padLeft();
    int first = Math.clamp(-Math.floorDiv(x0, stride), ox, ox + n);
    int end = Math.clamp(Math.floorDiv(shape.w() - 1 - x0, stride) + 1, first, ox + n);
    clear(to, first - ox);
    long row = image + 4L * ((long) c * shape.inputPixels() + (long) y * shape.w());
    copy(row + 4L * ((long) first * stride + x0), end - first, stride, to + 4L * (first - ox));
    clear(to + 4L * (end - ox), ox + n - end);
  }

  /** Gradients of outputs that n neighbouring pixels have contributed to with one weight. */
  private void gradients(long gradient, int oc, int kh, int kw, int y, int x, int n, long to) {
    Window window = shape.window();
    int sy = y + window.padTop() - kh * window.dilationH();
    int oy = sy / window.strideH();
    boolean inside = sy >= 0 && oy * window.strideH() == sy && oy < shape.oh();
    long row = gradient + 4L * ((long) oc * shape.outputPixels() + (long) oy * shape.ow());
    for (int i = 0; i < n; i++) {
      int sx = x + i + window.padLeft() - kw * window.dilationW();
      int ox = sx / window.strideW();
      boolean hit = inside && sx >= 0 && ox * window.strideW() == sx && ox < shape.ow();
      Raw.putFloat(to + 4L * i, hit ? Raw.getFloat(row + 4L * ox) : 0);
    }
  }

  private static void clear(long to, int count) {
    for (int i = 0; i < count; i++) {
      Raw.putFloat(to + 4L * i, 0);
    }
  }

  private void copy(long from, int count, int stride, long to) {
    if (count <= 0) {
      return;
    }
    switch (stride) {
      case 1 -> micro.copyRow(from, to, count, 0);
      case 2 -> EVERY_SECOND.get().copy(from, count, to);
      default -> {
        for (int i = 0; i < count; i++) {
          Raw.putFloat(to + 4L * i, Raw.getFloat(from + 4L * i * stride));
        }
      }
    }
  }
}
