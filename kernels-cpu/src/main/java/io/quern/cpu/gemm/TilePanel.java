package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Calls the function of a {@link TileCode}. Thread-safe. */
final class TilePanel {
  private static final int PALETTE = 1;
  private static final int TILES = 8;
  private static final int COLUMN_BYTES_AT = 16;
  private static final int ROWS_AT = 48;

  private final MachineFunction code;
  private final Arena owner = Arena.ofAuto();
  private final MemorySegment configurations =
      owner.allocate((TileCode.ROWS + 1L) * TileCode.LINE, TileCode.LINE);

  /** Assembles it. */
  TilePanel(String name, TileCode.Elements elements) {
    this.code = MachineTier.place(name, new TileCode(elements).write());
    for (int rows = 1; rows <= TileCode.ROWS; rows++) {
      configure(rows);
    }
  }

  /** The sizes of all tiles for a block of so many rows. */
  private void configure(int rows) {
    MemorySegment to = configurations.asSlice((long) rows * TileCode.LINE, TileCode.LINE);
    int half = TileCode.ROWS / 2;
    int upper = Math.min(half, rows);
    int lower = rows - upper;
    int[] rowsOfTiles = {upper, upper, lower, lower, upper, lower, half, half};
    to.set(ValueLayout.JAVA_BYTE, 0, (byte) PALETTE);
    for (int tile = 0; tile < TILES; tile++) {
      short bytes = (short) (rowsOfTiles[tile] == 0 ? 0 : TileCode.LINE);
      to.set(ValueLayout.JAVA_SHORT, COLUMN_BYTES_AT + 2L * tile, bytes);
      to.set(ValueLayout.JAVA_BYTE, ROWS_AT + tile, (byte) rowsOfTiles[tile]);
    }
  }

  /** Whether rows of so many bytes are whole tiles. */
  static boolean fits(long bytes) {
    return MachineTier.hasTiles() && bytes > 0 && bytes % TileCode.LINE == 0;
  }

  /**
   * Multiplies rows of A with a panel.
   *
   * @param bytes of a row of A, whole lines
   * @param start address of 32-bit integers that sums are added to, {@code startRow} bytes from row
   *     to row
   * @param scratch address of {@link TileCode#SCRATCH} bytes
   */
  void run(
      long a,
      long aRow,
      long panel,
      long bytes,
      long start,
      long startRow,
      long c,
      long cRow,
      long count,
      long columns,
      long scratch) {
    long bits = (1L << columns) - 1;
    long table = configurations.address();
    code.call(a, aRow, panel, bytes, start, startRow, c, cRow, count, bits, table, scratch);
  }
}
