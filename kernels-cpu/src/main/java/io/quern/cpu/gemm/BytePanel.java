package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * Products of packed weights of I8 with panels of U8, as bytes. A panel has {@value #WIDTH} columns
 * of fours of bytes side by side. Immutable and thread-safe.
 */
public final class BytePanel {
  /** Columns of a panel. */
  public static final int WIDTH = 32;

  /** Rows that a multiple of is multiplied at a time. */
  public static final int BLOCK = ByteRowPacker.BLOCK;

  /** Apart from the class itself, for processors that have the instructions. */
  private static final class Code {
    static final MachinePanel VECTORS =
        new MachinePanel("conv_i8u8", PanelCode.Elements.BYTES_TO_BYTES, 2, 512);
  }

  /** Apart from the class itself, for processors that have tile registers. */
  private static final class Tiles {
    static final TilePanel TILES =
        new TilePanel("conv_tiles_i8u8", TileCode.Elements.BYTES_TO_BYTES);
  }

  private final ByteRowPacker packer;
  private final boolean hasTiles;
  private final Arena owner = Arena.ofAuto();
  private final long offsets;

  /** Products with weights that {@code packer} has packed. */
  public BytePanel(ByteRowPacker packer) {
    this(packer, MachineTier.hasTiles());
  }

  /** The same with tile registers or without. */
  BytePanel(ByteRowPacker packer, boolean hasTiles) {
    this.packer = packer;
    this.hasTiles = hasTiles;
    this.offsets = owner.allocate(4L * packer.fours(), 64).address();
    for (int four = 0; four < packer.fours(); four++) {
      Raw.putInt(offsets + 4L * four, (int) ByteRowPacker.fourOffset(four));
    }
  }

  /** Whether this processor has what it takes. */
  public static boolean isAvailable() {
    return MachineTier.multipliesBytes();
  }

  /** Rows of a panel that are read; those behind the last four may have any bytes. */
  public int fours() {
    return packer.rowBytes() / 4;
  }

  /** Bytes of scratch memory that products of so many rows need. */
  public long scratchBytes(int rows) {
    return Math.max(TileCode.SCRATCH, MicroKernel.tableBytes(rows));
  }

  /**
   * Multiplies rows of weights with some panels, one behind another.
   *
   * @param group address of a packed group
   * @param first row, a multiple of {@link #BLOCK}
   * @param panels address of the first panel
   * @param columns of all panels
   * @param rowsOf address of what is done to the first of these rows, see {@link ByteResults}
   * @param to where the first byte of the first row goes
   * @param toRow bytes from a row of results to the next
   * @param scratch address of {@link #scratchBytes} bytes
   */
  public void run(
      long group,
      int first,
      int count,
      long panels,
      int columns,
      long rowsOf,
      long limits,
      long to,
      long toRow,
      long scratch) {
    long a = group + packer.rowOffset(first);
    if (!hasTiles) {
      for (int i = 0; i < count; i++) {
        Raw.putLong(scratch + 8L * i, group + packer.rowOffset(first + i));
      }
    }
    long panel = panels;
    long row = 4L * WIDTH;
    for (int done = 0; done < columns; done += WIDTH) {
      int width = Math.min(WIDTH, columns - done);
      long target = to + done;
      if (hasTiles) {
        int bytes = packer.rowBytes();
        Tiles.TILES.run(
            a, TileCode.LINE, panel, bytes, rowsOf, limits, target, toRow, count, width, scratch);
      } else {
        int fours = packer.fours();
        Code.VECTORS.run(
            scratch, offsets, panel, row, fours, rowsOf, limits, target, toRow, count, width);
      }
      panel += row * fours();
    }
  }

  /** Name of the code for listings. */
  public String name() {
    return hasTiles ? "u8i8_amx" : "u8i8_vnni";
  }
}
