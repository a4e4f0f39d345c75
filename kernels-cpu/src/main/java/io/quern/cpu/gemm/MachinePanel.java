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

  /**
   * {@link MicroKernel#panel}, with k elements of 32 bits.
   *
   * @param rectifies only floats, and vectors of 512 bits
   * @param packed where B is packed, only of floats and of a tile's rows at least, or 0
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
      boolean rectifies,
      long packed) {
    long flag = rectifies ? PanelCode.RECTIFIES : 0;
    long bits = ((1L << columns) - 1) | flag;
    code.call(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, bits, packed);
  }
}
