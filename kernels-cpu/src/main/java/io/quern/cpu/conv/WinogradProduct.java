package io.quern.cpu.conv;

import static io.quern.cpu.conv.WinogradTiles.POINTS;
import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.Packing;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A dense 3x3 convolution by Winograd's F(4x4, 3x3): transformed tiles times transformed weights,
 * one product for each of 36 points, four times fewer multiplications than a direct product.
 * Immutable and thread-safe.
 *
 * <p>Bands of tiles that stay in the second-level cache go through all steps one after another:
 * many bands at a time, or the panels of channels of one band, whose products and outputs nobody
 * else reads or writes.
 */
final class WinogradProduct extends ConvProduct {
  private static final long BAND_BYTES = 3 << 18;

  /** Products of a task that are near enough when they are transformed. */
  private static final long PRODUCT_BYTES = 300_000;

  private static final int LEAST_TILES = 24;
  private static final int MOST_TILES = 96;

  /** Output channels for each tile from which on panels are shared rather than tiles. */
  private static final int MUCH_WEIGHT = 4;

  private static final int PIECES = 4;
  private static final int TASKS_PER_THREAD = 2;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int OFFSETS = 4;
  private static final int BAND = 5;

  private final MicroKernel micro = MicroKernel.chosen();
  private final int width = micro.columns();
  private final WinogradTiles tiles;
  private final ConvShape shape;
  private final WinogradPacker packer;
  private final int panels;
  private final int band;
  private final long inputPoint;
  private final long outputPoint;
  private final Spare<Band> bands = new Spare<>(Band::new);
  private final Workers.Task<Operands> bandTask = this::band;
  private final Workers.Task<Band> transformInput = this::transformInput;
  private final Workers.Task<Band> panelTask = this::panels;

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
    this.packer = new WinogradPacker(shape.oc(), shape.c(), turned);
    this.panels = (shape.oc() + width - 1) / width;
    long perTile = 4L * POINTS * (shape.c() + width);
    long bandBytes = Math.max(BAND_BYTES, packer.bytes());
    this.band = tiles.band(Math.clamp(bandBytes / perTile, LEAST_TILES, MOST_TILES));
    long count = ((long) band * tiles.across() + ROWS - 1) / ROWS * ROWS;
    this.inputPoint = WinogradTiles.pointBytes(count, 4L * shape.c());
    this.outputPoint = WinogradTiles.pointBytes(count, 4L * width);
  }

  @Override
  String name() {
    return "winograd_";
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
      int rows = isMostlyWeight() ? tiles.rows() : evenBand();
      call.keep(BAND, rows);
      // A task that is alone shares its own steps.
      Workers.shared().run(bandTask, call, (tiles.rows() + rows - 1) / rows);
    } finally {
      HostMemory.shared().free(offsets);
    }
  }

  /** Whether there are so few tiles that weights are most of what is read. */
  private boolean isMostlyWeight() {
    int rows = tiles.rows();
    return rows <= band && shape.oc() > MUCH_WEIGHT * rows * tiles.across();
  }

  /** Rows of tiles of a band when all threads have as many bands, about. */
  private int evenBand() {
    int threads = Workers.shared().threads();
    int rounds = (tiles.rows() + band * threads - 1) / (band * threads);
    return (tiles.rows() + rounds * threads - 1) / (rounds * threads);
  }

  /** Some rows of tiles; {@code pieces} tasks share the transform of their pixels. */
  private static final class Band {
    private @Nullable Operands call;
    private int first;
    private int count;
    private int pieces;
    private int panelsPerTask;
    private long inputs;

    int start(int piece) {
      return (int) ((long) count * piece / pieces);
    }

    Operands call() {
      return Objects.requireNonNull(call);
    }

    long kept(int slot) {
      return call().kept(slot);
    }
  }

  private void band(Operands call, int chunk) {
    try (MemoryPool.Block memory = HostMemory.shared().allocate(POINTS * inputPoint)) {
      int rows = (int) call.kept(BAND);
      Band part = bands.take();
      part.call = call;
      part.first = chunk * rows;
      part.count = Math.min(rows, tiles.rows() - part.first);
      part.pieces = Math.min(part.count, PIECES);
      part.inputs = memory.address();
      Workers.shared().run(transformInput, part, part.pieces);
      part.panelsPerTask = panelsPerTask();
      Workers.shared().run(panelTask, part, (panels + part.panelsPerTask - 1) / part.panelsPerTask);
      part.call = null;
      bands.give(part);
    }
  }

  private void transformInput(Band band, int piece) {
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(tiles.inputScratch())) {
      tiles.clearInput(scratch.address());
      long tile = 4L * shape.c();
      for (int row = band.start(piece); row < band.start(piece + 1); row++) {
        tiles.input(
            band.kept(IMAGES),
            band.first + row,
            scratch.address(),
            band.inputs + (long) row * tiles.across() * tile,
            tile,
            inputPoint);
      }
    }
  }

  /** Panels of a task: as many as their products are near enough, in equal shares. */
  private int panelsPerTask() {
    int threads = Workers.shared().threads();
    int even = threads == 1 ? panels : panels / (TASKS_PER_THREAD * threads);
    return Math.clamp(PRODUCT_BYTES / (POINTS * outputPoint), 1, Math.max(1, even));
  }

  /** The products and outputs of some panels of channels. */
  private void panels(Band band, int chunk) {
    int first = chunk * band.panelsPerTask;
    int end = Math.min(panels, first + band.panelsPerTask);
    long productBytes = POINTS * outputPoint;
    long bytes = (end - first) * productBytes + tiles.outputScratch(width);
    try (MemoryPool.Block memory = HostMemory.shared().allocate(bytes)) {
      multiply(band, first, end, memory.address());
      long scratch = memory.address() + (end - first) * productBytes;
      for (int panel = first; panel < end; panel++) {
        long products = memory.address() + (panel - first) * productBytes;
        for (int row = 0; row < band.count; row++) {
          long from = products + (long) row * tiles.across() * 4 * width;
          store(band, band.first + row, panel * width, from, scratch);
        }
      }
    }
  }

  private void multiply(Band band, int first, int end, long products) {
    long count = (long) band.count * tiles.across();
    long row = 4L * width;
    try (MemoryPool.Block table = HostMemory.shared().allocate(MicroKernel.tableBytes(count))) {
      for (int point = 0; point < POINTS; point++) {
        MicroKernel.evenRows(
            table.address(), band.inputs + point * inputPoint, 4L * shape.c(), count + ROWS);
        long at = products + point * outputPoint;
        for (int panel = first; panel < end; panel++) {
          micro.panel(
              table.address(),
              band.kept(OFFSETS),
              band.kept(WEIGHTS) + panel * packer.panelBytes() + point * packer.pointBytes(),
              row,
              shape.c(),
              at,
              row,
              count,
              width,
              false);
          at += POINTS * outputPoint;
        }
      }
    }
  }

  /** Transforms products of a row of tiles to pixels, finishes and stores them. */
  private void store(Band band, int row, int first, long from, long scratch) {
    int channels = Math.min(width, shape.oc() - first);
    long bias = band.kept(BIAS) == 0 ? 0 : band.kept(BIAS) + 4L * first;
    long strip = tiles.output(from, 4L * width, outputPoint, bias, row, channels, scratch);
    long count = tiles.outputPixels(row);
    boolean isFinished = finishAside(strip, count * channels);
    int image = row / tiles.down();
    long pixel = row % tiles.down() * 4L * shape.ow();
    long plane = 4L * shape.outputPixels();
    long to = band.kept(OUTPUTS) + image * shape.outputBytes() + first * plane + 4 * pixel;
    tiles.store(strip, to, row, channels, scratch);
    if (!isFinished) {
      long number = (long) image * shape.oc() + first;
      finish(band.call(), number, channels, plane, pixel, count, to);
    }
  }
}
