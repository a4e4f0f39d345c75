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
 * <p>Bands of tiles that stay in the second-level cache go through all steps one after another.
 */
final class WinogradProduct extends ConvProduct {
  private static final long BAND_BYTES = 3 << 18;
  private static final int LEAST_TILES = 24;
  private static final int MOST_TILES = 96;

  private static final int PIECES = 4;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int OFFSETS = 4;

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
  private final Workers.Task<Band> multiply = this::multiply;
  private final Workers.Task<Band> transformOutput = this::transformOutput;

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
    long perTile = 4L * POINTS * (shape.c() + shape.oc());
    this.band = tiles.band(Math.clamp(BAND_BYTES / perTile, LEAST_TILES, MOST_TILES));
    long count = ((long) band * tiles.across() + ROWS - 1) / ROWS * ROWS;
    this.inputPoint = WinogradTiles.pointBytes(count, 4L * shape.c());
    this.outputPoint = WinogradTiles.pointBytes(count, outputTile());
  }

  /** Bytes of a row of the product, whole tiles of the micro-kernel. */
  private long outputTile() {
    return 4L * panels * width;
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
    MemoryPool.Block offsets = HostMemory.shared().allocate(4L * shape.c());
    try {
      Packing.offsets(offsets.address(), shape.c(), 4);
      call.keep(IMAGES, images);
      call.keep(WEIGHTS, weights);
      call.keep(BIAS, bias);
      call.keep(OUTPUTS, outputs);
      call.keep(OFFSETS, offsets.address());
      int bands = (tiles.rows() + band - 1) / band;
      if (bands >= 4) {
        Workers.shared().run(bandTask, call, bands);
      } else {
        for (int i = 0; i < bands; i++) {
          band(call, i);
        }
      }
    } finally {
      HostMemory.shared().free(offsets);
    }
  }

  /** Some rows of tiles, transformed and multiplied; {@code pieces} tasks share a transform. */
  private static final class Band {
    private @Nullable Operands call;
    private int first;
    private int count;
    private int pieces;
    private long inputs;
    private long products;

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
    MemoryPool.Block memory = HostMemory.shared().allocate(POINTS * (inputPoint + outputPoint));
    Band part = bands.take();
    part.call = call;
    part.first = chunk * band;
    part.count = Math.min(band, tiles.rows() - part.first);
    part.pieces = Math.min(part.count, PIECES);
    part.inputs = memory.address();
    part.products = memory.address() + POINTS * inputPoint;
    Workers.shared().run(transformInput, part, part.pieces);
    Workers.shared().run(multiply, part, POINTS);
    Workers.shared().run(transformOutput, part, part.pieces);
    part.call = null;
    bands.give(part);
    HostMemory.shared().free(memory);
  }

  private void transformInput(Band band, int piece) {
    MemoryPool.Block scratch = HostMemory.shared().allocate(tiles.inputScratch());
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
    HostMemory.shared().free(scratch);
  }

  private void multiply(Band band, int point) {
    multiply(
        band.inputs + point * inputPoint,
        band.kept(WEIGHTS) + point * packer.pointBytes(),
        band.kept(OFFSETS),
        band.products + point * outputPoint,
        (long) band.count * tiles.across());
  }

  private void multiply(long inputs, long weights, long offsets, long products, long count) {
    long row = 4L * shape.c();
    long panelBytes = 4L * width * shape.c();
    long rounded = (count + ROWS - 1) / ROWS * ROWS;
    MemoryPool.Block table = HostMemory.shared().allocate(MicroKernel.tableBytes(count));
    MicroKernel.evenRows(table.address(), inputs, row, rounded);
    for (int panel = 0; panel < panels; panel++) {
      micro.panel(
          table.address(),
          offsets,
          weights + panel * panelBytes,
          4L * width,
          shape.c(),
          products + 4L * panel * width,
          outputTile(),
          rounded,
          width,
          false);
    }
    HostMemory.shared().free(table);
  }

  private void transformOutput(Band band, int piece) {
    MemoryPool.Block scratch = HostMemory.shared().allocate(tiles.outputScratch());
    for (int row = band.start(piece); row < band.start(piece + 1); row++) {
      int number = band.first + row;
      long from = band.products + (long) row * tiles.across() * outputTile();
      long strip =
          tiles.output(from, outputTile(), outputPoint, band.kept(BIAS), number, scratch.address());
      boolean isFinished = finishAside(strip, tiles.outputPixels(number) * shape.oc());
      tiles.store(strip, band.kept(OUTPUTS), number, scratch.address());
      if (!isFinished) {
        finish(band, number);
      }
    }
    HostMemory.shared().free(scratch);
  }

  /** Applies the chain to the outputs of a row of tiles. */
  private void finish(Band band, int row) {
    int image = row / tiles.down();
    long first = row % tiles.down() * 4L * shape.ow();
    long count = tiles.outputPixels(row);
    long channel = 4L * shape.outputPixels();
    long at = band.kept(OUTPUTS) + image * shape.outputBytes() + 4 * first;
    finish(band.call(), (long) image * shape.oc(), shape.oc(), channel, first, count, at);
  }
}
