package io.quern.cpu.conv;

import static io.quern.cpu.conv.WinogradTiles.POINTS;
import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.Spare;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
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
final class WinogradProduct {
  private static final long BAND_BYTES = 3 << 18;
  private static final int LEAST_TILES = 24;
  private static final int MOST_TILES = 96;

  private static final int PIECES = 4;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int TRANSFORMED = 4;
  private static final int OFFSETS = 5;

  /** Input channels whose weights are transformed at once. */
  private static final int BLOCK = 16;

  private final MicroKernel micro = MicroKernel.chosen();
  private final WinogradTransform transform = WinogradTransform.chosen();
  private final Transpose transpose = Transpose.chosen();
  private final int width = micro.columns();
  private final WinogradTiles tiles;
  private final ConvShape shape;
  private final boolean turned;
  private final int panels;
  private final int band;
  private final long inputPoint;
  private final long outputPoint;
  private final Spare<Band> bands = new Spare<>(Band::new);
  private final Workers.Task<Operands> transformWeights = this::transformWeights;
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
  WinogradProduct(WinogradTiles tiles, boolean turned) {
    this.tiles = tiles;
    this.shape = tiles.shape();
    this.turned = turned;
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

  private long weightPoint() {
    return WinogradTiles.pointBytes((long) panels * shape.c(), 4L * width);
  }

  /**
   * Computes the outputs of all images.
   *
   * @param call keeps the addresses for the tasks
   * @param bias address of one float per output channel, or 0
   */
  void run(Operands call, long images, long weights, long bias, long outputs) {
    HostMemory memory = HostMemory.shared();
    HostMemory.Block block = memory.allocate(POINTS * weightPoint() + 4L * shape.c());
    try {
      long offsets = block.address() + POINTS * weightPoint();
      Packing.rowOffsets(offsets, shape.c(), 4L * width);
      call.keep(IMAGES, images);
      call.keep(WEIGHTS, weights);
      call.keep(BIAS, bias);
      call.keep(OUTPUTS, outputs);
      call.keep(TRANSFORMED, block.address());
      call.keep(OFFSETS, offsets);
      int blocks = shape.c() / BLOCK;
      Workers.shared().run(transformWeights, call, panels * blocks);
      int bands = (tiles.rows() + band - 1) / band;
      if (bands >= 4) {
        Workers.shared().run(bandTask, call, bands);
      } else {
        for (int i = 0; i < bands; i++) {
          band(call, i);
        }
      }
    } finally {
      memory.free(block);
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

    long kept(int slot) {
      return Objects.requireNonNull(call).kept(slot);
    }
  }

  private void transformWeights(Operands call, int chunk) {
    int panel = chunk % panels;
    int block = chunk / panels;
    long row = 4L * width;
    HostMemory.Block memory = HostMemory.shared().allocate(Transpose.SCRATCH + 27L * BLOCK * row);
    long scratch = memory.address();
    long columns = scratch + Transpose.SCRATCH;
    long taps = columns + 18L * BLOCK * row;
    int oc = panel * width;
    int count = Math.min(width, shape.oc() - oc);
    gather(call.kept(WEIGHTS), oc, count, block * BLOCK, taps, scratch);
    long to = call.kept(TRANSFORMED) + (panel * (long) shape.c() + (long) block * BLOCK) * row;
    long first = taps + (turned ? 8 : 0) * row;
    long tap = turned ? -row : row;
    for (int x = 0; x < 3; x++) {
      long column = first + x * tap;
      transform.weights(
          column,
          column + 3 * tap,
          column + 6 * tap,
          9 * row,
          columns + x * row,
          3 * row,
          18 * row,
          BLOCK,
          row);
    }
    for (int i = 0; i < 6; i++) {
      long from = columns + 3L * i * row;
      transform.weights(
          from,
          from + row,
          from + 2 * row,
          18 * row,
          to + 6L * i * weightPoint(),
          weightPoint(),
          row,
          BLOCK,
          row);
    }
    HostMemory.shared().free(memory);
  }

  /** Transposes weights to rows of taps (c, kh, kw) with a column for each output channel. */
  private void gather(long weights, int oc, int count, int c, long to, long scratch) {
    long row = 4L * width;
    if (!turned) {
      long from = weights + 36L * ((long) oc * shape.c() + c);
      transpose.run(from, 36L * shape.c(), count, 9 * BLOCK, to, row, scratch);
      return;
    }
    for (int i = 0; i < BLOCK; i++) {
      long from = weights + 36L * ((long) (c + i) * shape.oc() + oc);
      transpose.run(from, 36, count, 9, to + 9L * i * row, row, scratch);
    }
  }

  private void band(Operands call, int chunk) {
    HostMemory.Block memory = HostMemory.shared().allocate(POINTS * (inputPoint + outputPoint));
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
    HostMemory.Block scratch = HostMemory.shared().allocate(tiles.inputScratch());
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
        band.kept(TRANSFORMED) + point * weightPoint(),
        band.kept(OFFSETS),
        band.products + point * outputPoint,
        (long) band.count * tiles.across());
  }

  private void multiply(long inputs, long weights, long offsets, long products, long count) {
    long row = 4L * shape.c();
    long panelBytes = 4L * width * shape.c();
    for (int panel = 0; panel < panels; panel++) {
      for (long tile = 0; tile < count; tile += ROWS) {
        long from = inputs + tile * row;
        micro.tile(
            from,
            from + row,
            from + 2 * row,
            from + 3 * row,
            from + 4 * row,
            from + 5 * row,
            4,
            weights + panel * panelBytes,
            offsets,
            shape.c(),
            products + tile * outputTile() + 4L * panel * width,
            outputTile(),
            false);
      }
    }
  }

  private void transformOutput(Band band, int piece) {
    HostMemory.Block scratch = HostMemory.shared().allocate(tiles.outputScratch());
    for (int row = band.start(piece); row < band.start(piece + 1); row++) {
      tiles.output(
          band.products + (long) row * tiles.across() * outputTile(),
          outputTile(),
          outputPoint,
          band.kept(BIAS),
          band.kept(OUTPUTS),
          band.first + row,
          scratch.address());
    }
    HostMemory.shared().free(scratch);
  }
}
