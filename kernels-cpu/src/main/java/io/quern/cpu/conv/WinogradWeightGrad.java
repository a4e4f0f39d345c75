package io.quern.cpu.conv;

import static io.quern.cpu.conv.WinogradTiles.POINTS;
import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Reduce;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * The gradient of the weights of a {@link WinogradProduct}: for each point, transformed gradients
 * of outputs times transformed pixels, summed over tiles, and transformed back at the end.
 * Immutable and thread-safe.
 *
 * <p>Rows of tiles are split into parts by the shape alone; each part sums its bands in order, and
 * the parts are summed in order, so the number of threads does not matter.
 */
final class WinogradWeightGrad {
  private static final int MOST_PARTS = 8;
  private static final long PARTIAL_BYTES = 1 << 24;
  private static final int TILES = 56;
  private static final int PIECES = 4;
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);

  private final MicroKernel micro = MicroKernel.chosen();
  private final WinogradTransform transform = WinogradTransform.chosen();
  private final Transpose transpose = Transpose.chosen();
  private final int width = micro.columns();
  private final WinogradTiles tiles;
  private final ConvShape shape;
  private final int band;
  private final int parts;
  private final long inputTile;
  private final long gradientTile;
  private final long inputPoint;
  private final long gradientPoint;
  private final long sumPoint;

  WinogradWeightGrad(WinogradTiles tiles) {
    this.tiles = tiles;
    this.shape = tiles.shape();
    this.band = Math.min(tiles.rows(), Math.max(1, TILES / tiles.across()));
    long sums = 4L * POINTS * shape.c() * shape.oc();
    int bands = (tiles.rows() + band - 1) / band;
    this.parts = Math.clamp(PARTIAL_BYTES / sums, 1, Math.min(MOST_PARTS, bands));
    this.inputTile = 4L * width * ((shape.c() + width - 1) / width);
    this.gradientTile = 4L * shape.oc();
    long count = (long) band * tiles.across();
    this.inputPoint = WinogradTiles.pointBytes(count, inputTile);
    // The last rows of the micro-kernel's tile reach beyond the last channel.
    this.gradientPoint = WinogradTiles.pointBytes(count, gradientTile);
    int rows = (shape.oc() + ROWS - 1) / ROWS * ROWS;
    this.sumPoint = WinogradTiles.pointBytes(rows, inputTile);
  }

  /** Computes the gradient of the weights [oc, c, 3, 3]. */
  void run(long images, long gradients, long weights) {
    HostMemory memory = HostMemory.shared();
    long count = (long) band * tiles.across();
    HostMemory.Block block = memory.allocate((long) parts * POINTS * sumPoint + 4 * count);
    try {
      long offsets = block.address() + (long) parts * POINTS * sumPoint;
      Packing.rowOffsets(offsets, count, inputTile);
      Call call = new Call(this, images, gradients, weights, block.address(), offsets);
      if (parts >= 4) {
        Workers.shared().run(WinogradWeightGrad::part, call, parts);
      } else {
        for (int part = 0; part < parts; part++) {
          part(call, part);
        }
      }
      Workers.shared().run(WinogradWeightGrad::sumParts, call, shape.oc());
    } finally {
      memory.free(block);
    }
  }

  private record Call(
      WinogradWeightGrad kernel,
      long images,
      long gradients,
      long weights,
      long sums,
      long offsets) {}

  /** Some rows of tiles; {@code pieces} tasks share a transform. */
  private record Band(
      Call call, int first, int count, long inputs, long gradients, long sums, boolean more) {
    int pieces() {
      return Math.min(count, PIECES);
    }

    int start(int piece) {
      return (int) ((long) count * piece / pieces());
    }
  }

  private static void part(Call call, int part) {
    WinogradWeightGrad kernel = call.kernel;
    int bands = (kernel.tiles.rows() + kernel.band - 1) / kernel.band;
    int from = (int) ((long) bands * part / kernel.parts);
    int to = (int) ((long) bands * (part + 1) / kernel.parts);
    long inputBytes = POINTS * kernel.inputPoint;
    HostMemory.Block memory =
        HostMemory.shared().allocate(inputBytes + POINTS * kernel.gradientPoint + 4 * ROWS);
    long gradients = memory.address() + inputBytes;
    long sums = call.sums + (long) part * POINTS * kernel.sumPoint;
    for (int i = from; i < to; i++) {
      int first = i * kernel.band;
      int count = Math.min(kernel.band, kernel.tiles.rows() - first);
      Band band = new Band(call, first, count, memory.address(), gradients, sums, i > from);
      Workers.shared().run(WinogradWeightGrad::transformBand, band, band.pieces());
      Workers.shared().run(WinogradWeightGrad::multiply, band, POINTS);
    }
    HostMemory.shared().free(memory);
  }

  private static void transformBand(Band band, int piece) {
    WinogradWeightGrad kernel = band.call.kernel;
    WinogradTiles tiles = kernel.tiles;
    HostMemory.Block block =
        HostMemory.shared().allocate(tiles.inputScratch() + tiles.gradientScratch());
    long scratch = block.address();
    long other = scratch + tiles.inputScratch();
    tiles.clearInput(scratch);
    tiles.clearGradient(other);
    for (int row = band.start(piece); row < band.start(piece + 1); row++) {
      long tile = (long) row * tiles.across();
      tiles.input(
          band.call.images,
          band.first + row,
          scratch,
          band.inputs + tile * kernel.inputTile,
          kernel.inputTile,
          kernel.inputPoint);
      tiles.gradient(
          band.call.gradients,
          band.first + row,
          other,
          band.gradients + tile * kernel.gradientTile,
          kernel.gradientTile,
          kernel.gradientPoint);
    }
    HostMemory.shared().free(block);
  }

  private static void multiply(Band band, int point) {
    WinogradWeightGrad kernel = band.call.kernel;
    kernel.multiply(
        band.gradients + point * kernel.gradientPoint,
        band.inputs + point * kernel.inputPoint,
        band.call.offsets,
        (long) band.count * kernel.tiles.across(),
        band.sums + point * kernel.sumPoint,
        band.more);
  }

  private void multiply(
      long gradients, long inputs, long offsets, long count, long sums, boolean more) {
    for (long c = 0; c < inputTile; c += 4L * width) {
      for (int oc = 0; oc < shape.oc(); oc += ROWS) {
        long from = gradients + 4L * oc;
        micro.tile(
            from,
            from + 4,
            from + 8,
            from + 12,
            from + 16,
            from + 20,
            gradientTile,
            inputs + c,
            offsets,
            count,
            sums + oc * inputTile + c,
            inputTile,
            more);
      }
    }
  }

  private static void sumParts(Call call, int oc) {
    call.kernel.sumParts(call.sums + oc * call.kernel.inputTile, call.weights, oc);
  }

  private void sumParts(long sums, long weights, int oc) {
    long channels = 4L * shape.c();
    HostMemory.Block memory =
        HostMemory.shared().allocate(Transpose.SCRATCH + channels * (POINTS + 18 + 9));
    long points = memory.address() + Transpose.SCRATCH;
    long columns = points + POINTS * channels;
    long taps = columns + 18 * channels;
    for (int point = 0; point < POINTS; point++) {
      long to = points + point * channels;
      Raw.copy(sums + point * sumPoint, to, channels);
      for (int part = 1; part < parts; part++) {
        SUM.addRow(sums + ((long) part * POINTS + point) * sumPoint, shape.c(), to);
      }
    }
    for (int j = 0; j < 6; j++) {
      transform.weightGrad(
          points + j * channels, 6 * channels, columns + j * channels, 6 * channels, channels);
    }
    for (int i = 0; i < 3; i++) {
      transform.weightGrad(
          columns + 6L * i * channels, channels, taps + 3L * i * channels, channels, channels);
    }
    transpose.run(
        taps, channels, 9, shape.c(), weights + 36L * oc * shape.c(), 36, memory.address());
    HostMemory.shared().free(memory);
  }
}
