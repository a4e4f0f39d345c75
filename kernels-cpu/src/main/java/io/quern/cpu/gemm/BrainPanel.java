package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import java.lang.foreign.Arena;

/**
 * Products of rows of BF16 with panels of {@link PairPacker}: sums are floats, rounded once when
 * they are stored. The instructions take subnormal numbers for zero and add up pairs in their own
 * order, so that results have the same bits on machines that have the same instructions only.
 * Immutable and thread-safe.
 */
final class BrainPanel {
  private static final int BYTES = 2;

  /** Apart from the class itself, for processors that have the instructions. */
  private static final class Code {
    static final MachinePanel VECTORS =
        new MachinePanel("gemm_bf16", PanelCode.Elements.BRAIN_FLOATS, 512);
  }

  /** Apart from the class itself, for processors that have tile registers. */
  private static final class Tiles {
    static final TilePanel TILES = new TilePanel("tiles_bf16", TileCode.Elements.BRAIN_FLOATS);
  }

  private final long k;
  private final boolean hasTiles;
  private final Arena owner = Arena.ofAuto();
  private final long offsets;

  /** Products of rows of {@code k} elements. */
  BrainPanel(long k) {
    this(k, hasTiles(k));
  }

  /** The same with tile registers or without. */
  BrainPanel(long k, boolean hasTiles) {
    this.k = k;
    this.hasTiles = hasTiles;
    this.offsets = owner.allocate(4 * (k / 2), 64).address();
    Packing.offsets(offsets, k / 2, 4);
  }

  /** Whether this processor multiplies rows of so many elements. */
  static boolean isAvailable(long k) {
    return hasTiles(k) || (k > 0 && k % 2 == 0 && MachineTier.prefersBrainFloats());
  }

  private static boolean hasTiles(long k) {
    return MachineTier.hasBrainTiles() && TilePanel.fits(BYTES * k);
  }

  /** Bytes of scratch memory that products of so many rows need. */
  long scratchBytes(long rows) {
    return Math.max(TileCode.SCRATCH, MicroKernel.tableBytes(rows));
  }

  /**
   * Multiplies rows with some panels, one behind another.
   *
   * @param aRow bytes from a row to the next
   * @param columns of all panels
   * @param scratch address of {@link #scratchBytes} bytes
   */
  void run(
      long a, long aRow, long panels, long columns, long c, long cRow, long count, long scratch) {
    if (!hasTiles) {
      MicroKernel.evenRows(scratch, a, aRow, count);
    }
    for (long done = 0; done < columns; done += PairPacker.WIDTH) {
      long panel = panels + BYTES * k * done;
      long to = c + BYTES * done;
      if (hasTiles) {
        Tiles.TILES.run(
            a, aRow, panel, BYTES * k, 0, 0, to, cRow, count, PairPacker.WIDTH, scratch);
      } else {
        long row = 4L * PairPacker.WIDTH;
        Code.VECTORS.run(
            scratch, offsets, panel, row, k / 2, 0, 0, to, cRow, count, PairPacker.WIDTH);
      }
    }
  }

  /** Name of the code for listings. */
  String name() {
    return hasTiles ? "gemm_bf16_amx" : "gemm_bf16_asm";
  }
}
