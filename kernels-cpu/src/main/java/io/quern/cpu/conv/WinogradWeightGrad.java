package io.quern.cpu.conv;

import static io.quern.cpu.conv.WinogradTiles.POINTS;
import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.gemm.Transpose;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Reduce;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

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
  private final Twins<WinogradTransform> transforms = WinogradTransform.twins();
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
  private final Spare<Band> bands = new Spare<>(Band::new);
  private final Workers.Task<Operands> partTask = this::part;
  private final Workers.Task<Operands> sumParts = this::sumParts;
  private final Workers.Task<Band> transformBand = this::transformBand;
  private final Workers.Task<Band> multiply = this::multiply;

  // What a call keeps for its tasks.
  private static final int SUMS = 0;
  private static final int OFFSETS = 1;

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

  /** Waits for the fast transforms. */
  boolean warmUp() {
    return tiles.warmUp();
  }

  /** Computes the gradient of the weights [oc, c, 3, 3] from images and gradients. */
  void run(Operands call) {
    HostMemory memory = HostMemory.shared();
    long count = (long) band * tiles.across();
    MemoryPool.Block block = memory.allocate((long) parts * POINTS * sumPoint + 4 * count);
    try {
      long offsets = block.address() + (long) parts * POINTS * sumPoint;
      Packing.offsets(offsets, count, gradientTile);
      call.keep(SUMS, block.address());
      call.keep(OFFSETS, offsets);
      if (parts >= 4) {
        Workers.shared().run(partTask, call, parts);
      } else {
        for (int part = 0; part < parts; part++) {
          part(call, part);
        }
      }
      Workers.shared().run(sumParts, call, shape.oc());
    } finally {
      memory.free(block);
    }
  }

  /** Some rows of tiles; {@code pieces} tasks share a transform. */
  private static final class Band {
    private @Nullable Operands call;
    private int first;
    private int count;
    private long inputs;
    private long gradients;
    private long sums;
    private boolean more;

    Operands call() {
      return Objects.requireNonNull(call);
    }

    int pieces() {
      return Math.min(count, PIECES);
    }

    int start(int piece) {
      return (int) ((long) count * piece / pieces());
    }
  }

  private void part(Operands call, int part) {
    int count = (tiles.rows() + band - 1) / band;
    int from = (int) ((long) count * part / parts);
    int to = (int) ((long) count * (part + 1) / parts);
    long inputBytes = POINTS * inputPoint;
    long bytes = inputBytes + POINTS * gradientPoint + 4L * ROWS;
    try (MemoryPool.Block memory = HostMemory.shared().allocate(bytes)) {
      Band rows = bands.take();
      rows.call = call;
      rows.inputs = memory.address();
      rows.gradients = memory.address() + inputBytes;
      rows.sums = call.kept(SUMS) + (long) part * POINTS * sumPoint;
      for (int i = from; i < to; i++) {
        rows.first = i * band;
        rows.count = Math.min(band, tiles.rows() - rows.first);
        rows.more = i > from;
        Workers.shared().run(transformBand, rows, rows.pieces());
        Workers.shared().run(multiply, rows, POINTS);
      }
      rows.call = null;
      bands.give(rows);
    }
  }

  private void transformBand(Band band, int piece) {
    long bytes = tiles.inputScratch() + tiles.gradientScratch();
    try (MemoryPool.Block block = HostMemory.shared().allocate(bytes)) {
      long scratch = block.address();
      long other = scratch + tiles.inputScratch();
      tiles.clearInput(scratch);
      tiles.clearGradient(other);
      for (int row = band.start(piece); row < band.start(piece + 1); row++) {
        long tile = (long) row * tiles.across();
        tiles.input(
            band.call().address(0),
            band.first + row,
            scratch,
            band.inputs + tile * inputTile,
            inputTile,
            inputPoint);
        tiles.gradient(
            band.call().address(1),
            band.first + row,
            other,
            band.gradients + tile * gradientTile,
            gradientTile,
            gradientPoint);
      }
    }
  }

  private void multiply(Band band, int point) {
    multiply(
        band.gradients + point * gradientPoint,
        band.inputs + point * inputPoint,
        band.call().kept(OFFSETS),
        (long) band.count * tiles.across(),
        band.sums + point * sumPoint,
        band.more);
  }

  private void multiply(
      long gradients, long inputs, long offsets, long count, long sums, boolean more) {
    long rounded = (shape.oc() + ROWS - 1L) / ROWS * ROWS;
    try (MemoryPool.Block table =
        HostMemory.shared().allocate(MicroKernel.tableBytes(shape.oc()))) {
      MicroKernel.evenRows(table.address(), gradients, 4, rounded);
      for (long c = 0; c < inputTile; c += 4L * width) {
        micro.panel(
            table.address(),
            offsets,
            inputs + c,
            inputTile,
            count,
            sums + c,
            inputTile,
            rounded,
            width,
            more);
      }
    }
  }

  private void sumParts(Operands call, int oc) {
    sumParts(call.kept(SUMS) + oc * inputTile, call.address(2), oc);
  }

  private void sumParts(long sums, long weights, int oc) {
    long channels = 4L * shape.c();
    long bytes = Transpose.SCRATCH + channels * (POINTS + 18 + 9);
    try (MemoryPool.Block memory = HostMemory.shared().allocate(bytes)) {
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
        transforms
            .get()
            .weightGrad(
                points + j * channels,
                6 * channels,
                columns + j * channels,
                6 * channels,
                channels);
      }
      for (int i = 0; i < 3; i++) {
        transforms
            .get()
            .weightGrad(
                columns + 6L * i * channels,
                channels,
                taps + 3L * i * channels,
                channels,
                channels);
      }
      transpose.run(
          taps, channels, 9, shape.c(), weights + 36L * oc * shape.c(), 36, memory.address());
    }
  }
}
