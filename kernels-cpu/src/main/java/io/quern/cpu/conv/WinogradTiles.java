package io.quern.cpu.conv;

import io.quern.cpu.Twins;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Transpose;
import io.quern.op.Window;
import io.quern.runtime.Knob;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/**
 * A dense 3x3 convolution cut into tiles of 4x4 outputs, and the transforms of one row of tiles.
 * Transformed tiles lie as 36 matrices, one for each point, of rows of channels. Immutable and
 * thread-safe.
 */
final class WinogradTiles {
  /** Points of a transformed tile. */
  static final int POINTS = 36;

  private static final Knob WINOGRAD =
      Knob.of("quern.winograd", "on", "off computes all 3x3 convolutions as direct products");
  private static final boolean ENABLED = WINOGRAD.isOn();

  private static final int CHANNELS = 16;

  /** Images of fewer tiles do not repay the transform of the weights. */
  private static final int LEAST_TILES = 12;

  private static final int LARGEST = 1 << 28;

  private final Twins<WinogradTransform> transforms = WinogradTransform.twins();
  private final Transpose transpose = Transpose.chosen();
  private final ConvShape shape;
  private final int across;
  private final int down;

  private WinogradTiles(ConvShape shape) {
    this.shape = shape;
    this.across = (shape.ow() + 3) / 4;
    this.down = (shape.oh() + 3) / 4;
  }

  /** The tiles of a convolution, or null where a direct product is the better choice. */
  static @Nullable WinogradTiles of(ConvShape shape) {
    Window window = shape.window();
    boolean fits =
        window.kernelH() == 3
            && window.kernelW() == 3
            && window.dilationH() == 1
            && window.dilationW() == 1
            && shape.isDense()
            && Math.max(window.padTop(), window.padBottom()) <= 2
            && Math.max(window.padLeft(), window.padRight()) <= 2
            && shape.groups() == 1
            && isWhole(shape.c())
            && isWhole(shape.oc())
            && Math.min(shape.h(), shape.w()) >= 4
            && Math.min(shape.oh(), shape.ow()) >= 4
            && (double) POINTS * shape.c() * shape.oc() < LARGEST;
    if (!ENABLED || !fits) {
      return null;
    }
    WinogradTiles tiles = new WinogradTiles(shape);
    return tiles.down * (long) tiles.across >= LEAST_TILES ? tiles : null;
  }

  private static boolean isWhole(int channels) {
    return channels >= CHANNELS && channels % CHANNELS == 0;
  }

  ConvShape shape() {
    return shape;
  }

  /** Waits for the fast transforms. */
  boolean warmUp() {
    return transforms.await();
  }

  /** Tiles of a row. */
  int across() {
    return across;
  }

  /** Rows of tiles of one image. */
  int down() {
    return down;
  }

  /** Rows of tiles of the batch. */
  int rows() {
    return shape.n() * down;
  }

  /**
   * Rows of tiles that are transformed before they are multiplied: about {@code tiles} tiles, such
   * that the last tile of the micro-kernel is nearly full.
   */
  int band(int tiles) {
    int least = Math.max(1, tiles * 3 / 4 / across);
    int most = Math.max(least, tiles * 5 / 4 / across);
    int best = least;
    double bestFill = 0;
    for (int band = least; band <= most; band++) {
      int count = band * across;
      int rounded = (count + MicroKernel.ROWS - 1) / MicroKernel.ROWS * MicroKernel.ROWS;
      double fill = (double) count / rounded;
      if (fill > bestFill) {
        best = band;
        bestFill = fill;
      }
    }
    return Math.max(1, Math.min(best, rows()));
  }

  /** Bytes between the matrices of two points; not a multiple of 128, so that they share no set. */
  static long pointBytes(long rows, long rowBytes) {
    return (rows * rowBytes + 127) / 128 * 128 + 64;
  }

  /** Bytes of scratch memory that {@link #input} needs. */
  long inputScratch() {
    return Transpose.SCRATCH + 4L * shape.c() * (7L * shape.w() + 6L * (4L * across + 2));
  }

  /** Prepares scratch memory for any number of calls of {@link #input}. */
  void clearInput(long scratch) {
    int left = shape.window().padLeft();
    long none = scratch + Transpose.SCRATCH + 24L * shape.c() * shape.w();
    clear(none, 4L * shape.c(), shape.w(), left, 4 * across + 2);
  }

  /**
   * Clears a row of so many pixels, and in the six rows of {@code columns} pixels behind it what
   * comes before and after {@code left} and so many pixels.
   */
  private static void clear(long none, long pixel, int pixels, int left, int columns) {
    Raw.zero(none, pixels * pixel);
    long row = none + pixels * pixel;
    for (int i = 0; i < 6; i++) {
      Raw.zero(row, left * pixel);
      Raw.zero(row + (left + pixels) * pixel, (columns - left - pixels) * pixel);
      row += columns * pixel;
    }
  }

  /**
   * Transforms the pixels of a row of tiles.
   *
   * @param row row of tiles of the batch
   * @param to address of the first tile's first point
   * @param tileBytes bytes from a tile to the next
   * @param point bytes from a point to the next
   */
  void input(long images, int row, long scratch, long to, long tileBytes, long point) {
    long channels = 4L * shape.c();
    long pixels = channels * shape.w();
    long strip = scratch + Transpose.SCRATCH;
    long none = strip + 6 * pixels;
    long columns = none + pixels;
    long columnsRow = channels * (4L * across + 2);
    int y = row % down * 4 - shape.window().padTop();
    int first = Math.max(0, y);
    int end = Math.min(shape.h(), y + 6);
    long plane = 4L * shape.inputPixels();
    long image = images + row / down * shape.imageBytes() + 4L * first * shape.w();
    long count = (long) (end - first) * shape.w();
    transpose.run(image, plane, shape.c(), count, strip, channels, scratch);
    long base = strip - first * pixels;
    transforms
        .get()
        .input(
            at(base, pixels, y, none),
            at(base, pixels, y + 1, none),
            at(base, pixels, y + 2, none),
            at(base, pixels, y + 3, none),
            at(base, pixels, y + 4, none),
            at(base, pixels, y + 5, none),
            0,
            columns + channels * shape.window().padLeft(),
            columnsRow,
            0,
            1,
            pixels);
    for (int i = 0; i < 6; i++) {
      long from = columns + i * columnsRow;
      transforms
          .get()
          .input(
              from,
              from + channels,
              from + 2 * channels,
              from + 3 * channels,
              from + 4 * channels,
              from + 5 * channels,
              4 * channels,
              to + 6L * i * point,
              point,
              tileBytes,
              across,
              channels);
    }
  }

  private long at(long base, long pixels, int y, long none) {
    return y >= 0 && y < shape.h() ? base + y * pixels : none;
  }

  /** Bytes of scratch memory that {@link #output} needs. */
  long outputScratch(int channels) {
    return Transpose.SCRATCH + 4L * channels * (4L * shape.ow() + 24L * across + 2);
  }

  /**
   * Transforms the points of a row of tiles back and adds the bias, for {@code count} channels.
   *
   * @param bias address of one float per channel, or 0
   * @param least what smaller results become
   * @return address of the pixels, the channels of one after another
   */
  long output(
      long from,
      long tileBytes,
      long point,
      long bias,
      float least,
      int row,
      int count,
      long scratch) {
    long channels = 4L * count;
    long columns = scratch + Transpose.SCRATCH;
    long columnsRow = 6L * across * channels;
    long trash = columns + 4 * columnsRow;
    long none = trash + channels;
    long strip = none + channels;
    Raw.zero(none, channels);
    for (int j = 0; j < 6; j++) {
      long to = columns + j * channels;
      transforms
          .get()
          .output(
              from + j * point,
              6 * point,
              tileBytes,
              none,
              to,
              to + columnsRow,
              to + 2 * columnsRow,
              to + 3 * columnsRow,
              6 * channels,
              across,
              channels,
              Float.NEGATIVE_INFINITY);
    }
    int whole = shape.ow() / 4;
    int left = shape.ow() % 4;
    for (int i = 0; i < outputRows(row); i++) {
      long tile = columns + i * columnsRow;
      long to = strip + (long) i * shape.ow() * channels;
      long add = bias == 0 ? none : bias;
      rows(tile, channels, add, least, to, 4, trash, whole);
      if (left > 0) {
        rows(
            tile + 6L * whole * channels,
            channels,
            add,
            least,
            to + 4L * whole * channels,
            left,
            trash,
            1);
      }
    }
    return strip;
  }

  /** Rows of pixels of a row of tiles. */
  private int outputRows(int row) {
    return Math.min(4, shape.oh() - row % down * 4);
  }

  /** Pixels of a row of tiles. */
  long outputPixels(int row) {
    return (long) outputRows(row) * shape.ow();
  }

  /** Writes the pixels of a row of tiles, as {@link #output} gives them, to their channels. */
  void store(long strip, long to, int row, int channels, long scratch) {
    long plane = 4L * shape.outputPixels();
    transpose.run(strip, 4L * channels, outputPixels(row), channels, to, plane, scratch);
  }

  /** Transforms rows of tiles to pixels, of which only the first {@code left} are kept. */
  private void rows(
      long tiles, long channels, long bias, float least, long to, int left, long trash, int count) {
    transforms
        .get()
        .output(
            tiles,
            channels,
            6 * channels,
            bias,
            to,
            left > 1 ? to + channels : trash,
            left > 2 ? to + 2 * channels : trash,
            left > 3 ? to + 3 * channels : trash,
            4 * channels,
            count,
            channels,
            least);
  }

  /** Bytes of scratch memory that {@link #gradient} needs. */
  long gradientScratch() {
    return Transpose.SCRATCH + 4L * shape.oc() * (5L * shape.ow() + 24L * across);
  }

  /** Prepares scratch memory for any number of calls of {@link #gradient}. */
  void clearGradient(long scratch) {
    long none = scratch + Transpose.SCRATCH + 16L * shape.oc() * shape.ow();
    clear(none, 4L * shape.oc(), shape.ow(), 0, 4 * across);
  }

  /** Transforms the gradients of the outputs of a row of tiles, as {@link #input} the pixels. */
  void gradient(long gradients, int row, long scratch, long to, long tileBytes, long point) {
    long channels = 4L * shape.oc();
    long pixels = channels * shape.ow();
    long strip = scratch + Transpose.SCRATCH;
    long none = strip + 4 * pixels;
    long columns = none + pixels;
    long columnsRow = 4L * across * channels;
    int y = row % down * 4;
    int count = Math.min(4, shape.oh() - y);
    long plane = 4L * shape.outputPixels();
    long from = gradients + row / down * shape.outputBytes() + 4L * y * shape.ow();
    transpose.run(from, plane, shape.oc(), (long) count * shape.ow(), strip, channels, scratch);
    transforms
        .get()
        .gradient(
            strip,
            count > 1 ? strip + pixels : none,
            count > 2 ? strip + 2 * pixels : none,
            count > 3 ? strip + 3 * pixels : none,
            0,
            columns,
            columnsRow,
            0,
            1,
            pixels);
    for (int i = 0; i < 6; i++) {
      long tile = columns + i * columnsRow;
      transforms
          .get()
          .gradient(
              tile,
              tile + channels,
              tile + 2 * channels,
              tile + 3 * channels,
              4 * channels,
              to + 6L * i * point,
              point,
              tileBytes,
              across,
              channels);
    }
  }
}
