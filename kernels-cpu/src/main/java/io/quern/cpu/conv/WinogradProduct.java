package io.quern.cpu.conv;

import static io.quern.cpu.conv.WinogradTiles.POINTS;
import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.ColumnPanels;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Packing;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * A dense 3x3 convolution by Winograd's F(4x4, 3x3): transformed tiles times transformed weights,
 * one product for each of 36 points, four times fewer multiplications than a direct product.
 * Immutable and thread-safe.
 *
 * <p>A task takes a band of tiles, which stays in the second-level cache, through all steps: for
 * all channels of the result, or for a share of them where there are few tiles. Tasks that share a
 * band each transform all its pixels, as that is faster than to read what another core transformed.
 */
final class WinogradProduct extends ConvProduct {
  private static final long BAND_BYTES = 3 << 18;

  /** Products that are near enough when they are transformed. */
  private static final long PRODUCT_BYTES = 300_000;

  private static final int LEAST_TILES = 24;
  private static final int MOST_TILES = 96;

  /** Output channels for each tile from which on weights are most of what is read. */
  private static final int MUCH_WEIGHT = 4;

  /** Output channels for each input channel that repay a second transform of the input. */
  private static final int MUCH_OUTPUT = 4;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int OFFSETS = 4;
  private static final int ROWS_OF_BAND = 5;
  private static final int SHARES = 6;

  private final WinogradTiles tiles;
  private final ConvShape shape;
  private final WinogradPacker packer;
  private final ColumnPanels columns;
  private final int panels;
  private final int width;
  private final int band;
  private final long inputPoint;
  private final long outputPoint;
  private final long productBytes;
  private final Workers.Task<Operands> task = this::share;

  /**
   * The product for a convolution.
   *
   * @param turned whether weights lie as [c, oc, 3, 3] and each window is turned around, as for the
   *     gradient of the images of another convolution
   */
  WinogradProduct(WinogradTiles tiles, boolean turned, @Nullable ConvChain chain) {
    super(chain);
    this.tiles = tiles;
    this.shape = tiles.shape();
    this.columns = ColumnPanels.mixed(shape.oc());
    this.panels = columns.count();
    this.width = columns.mostColumns();
    this.packer = new WinogradPacker(columns, shape.oc(), shape.c(), turned);
    long perTile = 4L * POINTS * (shape.c() + width);
    long bandBytes = Math.max(BAND_BYTES, packer.bytes());
    this.band = tiles.band(Math.clamp(bandBytes / perTile, LEAST_TILES, MOST_TILES));
    long count = ((long) band * tiles.across() + ROWS - 1) / ROWS * ROWS;
    this.inputPoint = WinogradTiles.pointBytes(count, 4L * shape.c());
    this.outputPoint = WinogradTiles.pointBytes(count, 4L * width);
    this.productBytes = POINTS * outputPoint;
  }

  @Override
  String name() {
    return "winograd_" + columns.microName();
  }

  @Override
  boolean warmUp() {
    return tiles.warmUp() && super.warmUp();
  }

  @Override
  Packer packer() {
    return packer;
  }

  @Override
  void run(Operands call, long images, long weights, long bias, long outputs) {
    if (tiles.rows() == 0) {
      return;
    }
    MemoryPool.Block offsets = HostMemory.shared().allocate(4L * shape.c());
    try {
      Packing.offsets(offsets.address(), shape.c(), 4);
      call.keep(IMAGES, images);
      call.keep(WEIGHTS, weights);
      call.keep(BIAS, bias);
      call.keep(OUTPUTS, outputs);
      call.keep(OFFSETS, offsets.address());
      int rows = sharesChannels() ? tiles.rows() : evenBand();
      int bands = (tiles.rows() + rows - 1) / rows;
      int shares = Math.clamp(Workers.shared().threads() / bands, 1, panels);
      call.keep(ROWS_OF_BAND, rows);
      call.keep(SHARES, shares);
      Workers.shared().run(task, call, bands * shares);
    } finally {
      HostMemory.shared().free(offsets);
    }
  }

  /** Whether threads share the channels of one band, rather than rows of tiles. */
  private boolean sharesChannels() {
    int rows = tiles.rows();
    boolean isMostlyWeight = shape.oc() > MUCH_WEIGHT * rows * tiles.across();
    boolean isUneven = rows % evenBand() != 0 && shape.oc() >= MUCH_OUTPUT * shape.c();
    return rows <= band && (isMostlyWeight || isUneven);
  }

  /** Rows of tiles of a band when all threads have as many bands, about. */
  private int evenBand() {
    int threads = Workers.shared().threads();
    int rounds = (tiles.rows() + band * threads - 1) / (band * threads);
    return (tiles.rows() + rounds * threads - 1) / (rounds * threads);
  }

  /** Some panels of channels of a band. */
  private void share(Operands call, int chunk) {
    int shares = (int) call.kept(SHARES);
    int rows = (int) call.kept(ROWS_OF_BAND);
    int row = chunk / shares * rows;
    int count = Math.min(rows, tiles.rows() - row);
    int first = panels * (chunk % shares) / shares;
    int end = panels * (chunk % shares + 1) / shares;
    int group = Math.clamp(PRODUCT_BYTES / productBytes, 1, end - first);
    long inputBytes = POINTS * inputPoint;
    long scratchBytes = Math.max(tiles.inputScratch(), tiles.outputScratch(width));
    long bytes = inputBytes + group * productBytes + scratchBytes;
    try (MemoryPool.Block memory = HostMemory.shared().allocate(bytes)) {
      long inputs = memory.address();
      long products = inputs + inputBytes;
      long scratch = products + group * productBytes;
      transformInput(call, row, count, scratch, inputs);
      for (int panel = first; panel < end; panel += group) {
        int last = Math.min(end, panel + group);
        multiply(call, inputs, count, panel, last, products);
        transformOutput(call, row, count, panel, last, products, scratch);
      }
    }
  }

  private void transformInput(Operands call, int first, int rows, long scratch, long to) {
    tiles.clearInput(scratch);
    long tile = 4L * shape.c();
    for (int row = 0; row < rows; row++) {
      long at = to + (long) row * tiles.across() * tile;
      tiles.input(call.kept(IMAGES), first + row, scratch, at, tile, inputPoint);
    }
  }

  private void transformOutput(
      Operands call, int first, int rows, int panel, int end, long products, long scratch) {
    for (int p = panel; p < end; p++) {
      long from = products + (p - panel) * productBytes;
      for (int row = 0; row < rows; row++) {
        long at = from + (long) row * tiles.across() * 4 * columns.columns(p);
        store(call, first + row, p, at, scratch);
      }
    }
  }

  /** The products of all tiles of some rows with some panels. */
  private void multiply(Operands call, long inputs, int rows, int first, int end, long products) {
    long count = (long) rows * tiles.across();
    try (MemoryPool.Block table = HostMemory.shared().allocate(MicroKernel.tableBytes(count))) {
      for (int point = 0; point < POINTS; point++) {
        MicroKernel.evenRows(
            table.address(), inputs + point * inputPoint, 4L * shape.c(), count + ROWS);
        long at = products + point * outputPoint;
        for (int panel = first; panel < end; panel++) {
          MicroKernel micro = columns.micro(panel);
          long row = 4L * micro.columns();
          micro.panel(
              table.address(),
              call.kept(OFFSETS),
              call.kept(WEIGHTS) + packer.offset(panel, point),
              row,
              shape.c(),
              at,
              row,
              count,
              micro.columns(),
              false);
          at += productBytes;
        }
      }
    }
  }

  /** Transforms products of a row of tiles to pixels, finishes and stores them. */
  private void store(Operands call, int row, int panel, long from, long scratch) {
    int first = columns.first(panel);
    int channels = Math.min(columns.columns(panel), shape.oc() - first);
    long bias = call.kept(BIAS) == 0 ? 0 : call.kept(BIAS) + 4L * first;
    float least = rectifies() ? 0 : Float.NEGATIVE_INFINITY;
    long strip =
        tiles.output(
            from, 4L * columns.columns(panel), outputPoint, bias, least, row, channels, scratch);
    long count = tiles.outputPixels(row);
    boolean isFinished = rectifies() || finishAside(strip, count * channels);
    int image = row / tiles.down();
    long pixel = row % tiles.down() * 4L * shape.ow();
    long plane = 4L * shape.outputPixels();
    long to = call.kept(OUTPUTS) + image * shape.outputBytes() + first * plane + 4 * pixel;
    tiles.store(strip, to, row, channels, scratch);
    if (!isFinished) {
      long number = (long) image * shape.oc() + first;
      finish(call, number, channels, plane, pixel, count, to);
    }
  }
}
