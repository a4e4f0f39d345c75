package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;

/** Calls the function of a {@link PanelCode}. Thread-safe. */
final class MachinePanel {

  private final MachineFunction code;

  /** Assembles it for tiles of {@link MicroKernel#ROWS} rows of so many vectors, 2 or 3. */
  MachinePanel(String name, PanelCode.Elements elements, int vectors, int bits) {
    PanelCode panel = new PanelCode(elements, MicroKernel.ROWS, vectors, bits);
    this.code = MachineTier.place(name, panel.write());
  }

  /** {@link MicroKernel#panel}, with k elements of 32 bits. */
  void run(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow,
      long count,
      long columns) {
    run(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, columns, 0, false, 0);
  }

  /**
   * The same for floats.
   *
   * @param added only with vectors of 512 bits and what is not packed, or 0
   * @param rectifies only with vectors of 512 bits
   * @param packed where B is packed, only of a tile's rows at least, or 0
   */
  void run(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow,
      long count,
      long columns,
      long added,
      boolean rectifies,
      long packed) {
    long flags = (rectifies ? PanelCode.RECTIFIES : 0) | (added == 0 ? 0 : PanelCode.ADDS);
    long bits = ((1L << columns) - 1) | flags;
    long last = added == 0 ? packed : added;
    code.call(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, bits, last);
  }
}
