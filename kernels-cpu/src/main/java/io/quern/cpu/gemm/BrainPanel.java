package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.Map;

/**
 * Products of rows of BF16 with panels of pairs, as {@link PairPacker} makes them: sums are floats,
 * rounded once when they are stored. The instructions take subnormal numbers for zero and add up
 * pairs in their own order, so that results have the same bits on machines that have the same
 * instructions only. Immutable and thread-safe.
 */
public final class BrainPanel {
  /** Columns of a panel. */
  public static final int WIDTH = PairPacker.WIDTH;

  /** Rows that a multiple of is multiplied at a time. */
  public static final int BLOCK = TileCode.ROWS;

  private static final int BYTES = 2;

  /** What sums become. */
  public enum Result {
    FLOATS(4),
    BRAIN_FLOATS(2),
    /** BF16, zero where the sum is negative. */
    BRAIN_FLOATS_RELU(2);

    private final int bytes;

    Result(int bytes) {
      this.bytes = bytes;
    }
  }

  /** Apart from the class itself, for processors that have the instructions. */
  private static final class Code {
    static final Map<Result, MachinePanel> VECTORS = new EnumMap<>(Result.class);

    static {
      VECTORS.put(
          Result.FLOATS,
          new MachinePanel("gemm_bf16_f32", PanelCode.Elements.BRAIN_TO_FLOATS, 2, 512));
      VECTORS.put(
          Result.BRAIN_FLOATS,
          new MachinePanel("gemm_bf16", PanelCode.Elements.BRAIN_FLOATS, 2, 512));
      VECTORS.put(
          Result.BRAIN_FLOATS_RELU,
          new MachinePanel("gemm_bf16_relu", PanelCode.Elements.BRAIN_FLOATS_RELU, 2, 512));
    }
  }

  /** Apart from the class itself, for processors that have tile registers. */
  private static final class Tiles {
    static final Map<Result, TilePanel> TILES = new EnumMap<>(Result.class);

    static {
      TILES.put(Result.FLOATS, new TilePanel("tiles_bf16_f32", TileCode.Elements.BRAIN_TO_FLOATS));
      TILES.put(Result.BRAIN_FLOATS, new TilePanel("tiles_bf16", TileCode.Elements.BRAIN_FLOATS));
      TILES.put(
          Result.BRAIN_FLOATS_RELU,
          new TilePanel("tiles_bf16_relu", TileCode.Elements.BRAIN_FLOATS_RELU));
    }
  }

  /** Address of floats that change no sum, for each column of a panel. */
  public static final long ZEROS = Zeros.ADDRESS;

  /** Owner of {@link #ZEROS}. */
  private static final class Zeros {
    static final Arena OWNER = Arena.ofAuto();
    static final long ADDRESS = OWNER.allocate(4L * WIDTH, TileCode.LINE).address();
  }

  private final Result result;
  private final long k;
  private final boolean hasTiles;
  private final Arena owner = Arena.ofAuto();
  private final long offsets;

  /** Products of rows of {@code k} elements, a {@link #wholeDepth}. */
  public BrainPanel(long k, Result result) {
    this(k, result, hasTiles(k));
  }

  /** The same with tile registers or without. */
  BrainPanel(long k, Result result, boolean hasTiles) {
    this.k = k;
    this.result = result;
    this.hasTiles = hasTiles;
    this.offsets = owner.allocate(4 * (k / 2), 64).address();
    Packing.offsets(offsets, k / 2, 4);
  }

  /** Whether this processor multiplies BF16 faster than floats. */
  public static boolean isAvailable() {
    return MachineTier.hasBrainTiles() || MachineTier.prefersBrainFloats();
  }

  /** The least number of elements, {@code k} or more, that rows can have. */
  public static long wholeDepth(long k) {
    int unit = MachineTier.hasBrainTiles() ? TileCode.LINE / BYTES : 2;
    return Math.max(1, (k + unit - 1) / unit) * unit;
  }

  private static boolean hasTiles(long k) {
    return MachineTier.hasBrainTiles() && TilePanel.fits(BYTES * k);
  }

  /** Bytes of a panel. */
  public long panelBytes() {
    return BYTES * k * WIDTH;
  }

  /** Bytes of scratch memory that products of so many rows need. */
  public long scratchBytes(long rows) {
    return Math.max(TileCode.SCRATCH, MicroKernel.tableBytes(rows));
  }

  /**
   * Multiplies rows with some panels, one behind another.
   *
   * @param aRow bytes from a row to the next
   * @param columns of all panels; the last panel may have less than {@value #WIDTH}, but its memory
   *     has all
   * @param start address of a float for each column, that the sums of the first row begin with
   * @param startRow bytes from there to those of the next row
   * @param startPanel the same of the next panel
   * @param scratch address of {@link #scratchBytes} bytes
   */
  public void run(
      long a,
      long aRow,
      long panels,
      long columns,
      long start,
      long startRow,
      long startPanel,
      long c,
      long cRow,
      long count,
      long scratch) {
    if (!hasTiles) {
      MicroKernel.evenRows(scratch, a, aRow, count);
    }
    long panel = panels;
    long from = start;
    long to = c;
    for (long done = 0; done < columns; done += WIDTH) {
      long width = Math.min(WIDTH, columns - done);
      if (hasTiles) {
        TilePanel code = Tiles.TILES.get(result);
        code.run(a, aRow, panel, BYTES * k, from, startRow, to, cRow, count, width, scratch);
      } else {
        MachinePanel code = Code.VECTORS.get(result);
        long row = 4L * WIDTH;
        code.run(scratch, offsets, panel, row, k / 2, from, startRow, to, cRow, count, width);
      }
      panel += panelBytes();
      from += startPanel;
      to += (long) result.bytes * WIDTH;
    }
  }

  /** Name of the code for listings. */
  public String name() {
    return hasTiles ? "bf16_amx" : "bf16_asm";
  }
}
