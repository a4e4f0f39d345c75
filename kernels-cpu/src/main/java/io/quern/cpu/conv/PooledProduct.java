package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.gemm.ColumnPanels;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Transpose;
import io.quern.cpu.pool.PoolMath;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * A convolution and the maxima of windows of its result, of which only the rows under one row of
 * windows are there at a time. Maxima are taken pixel by pixel, each of which has its channels side
 * by side, first down the rows, then along; what is left is transposed.
 *
 * <p>Rows lie in a ring, in no order, which maxima do not mind. Above and below the image its first
 * and last row are there once more, which a window has anyway that reaches so far.
 */
final class PooledProduct extends PixelRows {
  /** Weights of deeper products would come from further away for each row. */
  private static final int MOST_DEPTH = 256;

  /** One pixel of so many, and no more, is computed for nothing, to fill up tiles. */
  private static final int WASTE = 8;

  /** Bytes of the rows that a task keeps, more or less, and those of a panel at most. */
  private static final long RING_BYTES = 1 << 17;

  private static final long MOST_RING_BYTES = 1 << 19;

  /** Rows that neighbouring windows share at most: bands compute them twice. */
  private static final int MOST_SHARED = 1;

  private static final int BANDS_PER_THREAD = 2;
  private static final int LEAST_WINDOWS = 4;

  private static final int BANDS = FREE;

  private static final MicroKernel MICRO = MicroKernel.chosen();

  private final int width = MICRO.columns();
  private final Window pool;
  private final int oh;
  private final int ow;
  private final Twins<PoolMath> maxima = PoolMath.twins(Pool2d.Fn.MAX);

  /** Pixels of a row that are computed: whole tiles. */
  private final int computed;

  /** Bytes of a pixel's channels, and of a row with what is left and right of it. */
  private final long pixel;

  private final long row;
  private final int panelsPerTask;

  private final Workers.Task<Operands> band = this::band;

  private PooledProduct(ConvShape shape, @Nullable ConvChain chain, Window pool, int oh, int ow) {
    super(shape, ColumnPanels.even(MICRO, shape.oc()), chain);
    this.pool = pool;
    this.oh = oh;
    this.ow = ow;
    this.computed = wholeTiles(shape.ow());
    this.pixel = 4L * width;
    int reach = (ow - 1) * pool.strideW() + pool.kernelW();
    this.row = pixel * Math.max(pool.padLeft() + computed, reach);
    this.panelsPerTask =
        Math.toIntExact(Math.clamp(RING_BYTES / (pool.kernelH() * row), 1, panels));
  }

  /**
   * The product and the maxima of a shape; null where it is better to do one after the other.
   *
   * @param oh rows of windows
   * @param ow windows of a row
   */
  static @Nullable PooledProduct of(
      ConvShape shape, @Nullable ConvChain chain, Window pool, int oh, int ow) {
    boolean isWithin = shape.depth() <= MOST_DEPTH && pool.dilation(1).equals(pool);
    boolean isDense = (wholeTiles(shape.ow()) - shape.ow()) * WASTE <= shape.ow();
    boolean isPixels = WinogradTiles.of(shape) == null && PixelProduct.isBetter(shape);
    boolean isAlone = chain == null || chain.rows().isAlone();
    boolean isOnce = pool.kernelH() - pool.strideH() <= MOST_SHARED;
    if (!isWithin || !isDense || !isPixels || !isAlone || !isOnce) {
      return null;
    }
    PooledProduct product = new PooledProduct(shape, chain, pool, oh, ow);
    return pool.kernelH() * product.row <= MOST_RING_BYTES ? product : null;
  }

  private static int wholeTiles(int pixels) {
    return (pixels + ROWS - 1) / ROWS * ROWS;
  }

  @Override
  String name() {
    return "pooled_" + columns.microName();
  }

  @Override
  boolean warmUp() {
    return super.warmUp() && maxima.await();
  }

  @Override
  void share(Operands call, int planes) {
    int threads = Workers.shared().threads();
    int wanted = threads == 1 ? 1 : BANDS_PER_THREAD * threads;
    int others = planes * groups(panelsPerTask);
    int bands = Math.clamp((wanted + others - 1) / others, 1, Math.max(1, oh / LEAST_WINDOWS));
    call.keep(BANDS, bands);
    Workers.shared().run(band, call, others * bands);
  }

  /** Some rows of windows of some panels. */
  private void band(Operands call, int chunk) {
    int bands = (int) call.kept(BANDS);
    int index = chunk / bands / groups(panelsPerTask);
    int firstPanel = chunk / bands % groups(panelsPerTask) * panelsPerTask;
    int endPanel = Math.min(panels, firstPanel + panelsPerTask);
    int number = chunk % bands;
    int first = (int) ((long) oh * number / bands);
    int end = (int) ((long) oh * (number + 1) / bands);
    long ring = pool.kernelH() * row;
    long toRing = Transpose.SCRATCH + PoolMath.SCRATCH + panelsPerTask * pixel;
    long toMaxima = toRing + panelsPerTask * ring;
    long toTables = toMaxima + 2 * row;
    long tableBytes = MicroKernel.tableBytes(computed);
    long bytes = toTables + pool.kernelH() * tableBytes;
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(bytes)) {
      long at = scratch.address();
      long biases = at + Transpose.SCRATCH + PoolMath.SCRATCH;
      fillMargins(at + toRing, panelsPerTask * pool.kernelH());
      for (int p = firstPanel; p < endPanel; p++) {
        bias(call, plane(call, index), p, biases + (p - firstPanel) * pixel);
      }
      for (int y = first; y < end; y++) {
        int endRow = y * pool.strideH() - pool.padTop() + pool.kernelH();
        int rows = y == first ? pool.kernelH() : Math.min(pool.strideH(), pool.kernelH());
        for (int i = 0; i < rows; i++) {
          addresses(call, index, endRow - rows + i, at + toTables + i * tableBytes);
        }
        for (int p = firstPanel; p < endPanel; p++) {
          long ringOfPanel = at + toRing + (p - firstPanel) * ring;
          long bias = biases + (p - firstPanel) * pixel;
          long weights = weights(call, plane(call, index));
          for (int i = 0; i < rows; i++) {
            long slot = ringOfPanel + Math.floorMod(endRow - rows + i, pool.kernelH()) * row;
            row(at + toTables + i * tableBytes, weights, p, bias, slot + pool.padLeft() * pixel);
          }
          pool(call, index, p, y, ringOfPanel, at + toMaxima, at);
        }
      }
    }
  }

  /** What is left and right of rows, where no maximum comes from. */
  private void fillMargins(long rows, int count) {
    long left = pool.padLeft() * pixel;
    long right = left + computed * pixel;
    for (long at = rows; at < rows + count * row; at += row) {
      fill(at, at + left);
      fill(at + right, at + row);
    }
  }

  private static void fill(long from, long end) {
    for (long at = from; at < end; at += 4) {
      Raw.putFloat(at, Float.NEGATIVE_INFINITY);
    }
  }

  /** Fills a table with where the windows of a row, or of that nearest to it, begin. */
  private void addresses(Operands call, int index, int y, long table) {
    int within = Math.clamp(y, 0, shape.oh() - 1);
    addresses(image(call, index), within * shape.ow(), shape.ow(), table);
    long last = Raw.getLong(table + 8L * (shape.ow() - 1));
    for (int i = shape.ow(); i < computed + ROWS; i++) {
      Raw.putLong(table + 8L * i, last);
    }
  }

  /** Computes a row of the convolution, in the order of {@link PixelProduct}. */
  private void row(long table, long panels, int panel, long bias, long to) {
    int depth = shape.depth();
    for (int t = 0; t < depth; t += block) {
      long start = t == 0 ? bias : to;
      long startRow = t == 0 ? 0 : pixel;
      long steps = padded.offsets() + 4L * t;
      long weights = panels + panelOffset(t, panel);
      int next = Math.min(block, depth - t);
      MICRO.panel(
          table, steps, weights, pixel, next, start, startRow, to, pixel, computed, width, 0,
          false);
    }
    if (!rectifies()) {
      finishAside(to, (long) computed * width);
    }
  }

  /** Stores the maxima of the windows over the rows of a ring. */
  private void pool(
      Operands call, int index, int panel, int y, long ring, long maxima, long scratch) {
    PoolMath math = this.maxima.get();
    long ofMath = scratch + Transpose.SCRATCH;
    long pixels = row / pixel;
    math.fold(ring, row, pool.kernelH(), pixels * width, maxima, ofMath);
    long kept = (ow - 1L) * pool.strideW() + 1;
    math.fold(maxima, pixel, pool.kernelW(), kept * width, maxima + row, ofMath);
    if (rectifies()) { // maxima, which are fewer
      finishAside(maxima + row, kept * width);
    }
    long channel = 4L * oh * ow;
    long to = output(call, plane(call, index), panel, channel) + 4L * y * ow;
    transpose.run(maxima + row, pool.strideW() * pixel, ow, channels(panel), to, channel, scratch);
  }
}
