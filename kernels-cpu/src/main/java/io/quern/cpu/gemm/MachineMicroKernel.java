package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import org.jspecify.annotations.Nullable;

/** Panels by machine code; the rest by another implementation. */
final class MachineMicroKernel extends ForwardingMicroKernel {
  private static final int LANES = 16;

  private final MachinePanel panel;
  private final @Nullable MachineFunction copyRows;
  private final @Nullable MachineFunction packRows;
  private final @Nullable MachineFunction fill;
  private final MicroKernel rest;
  private final boolean masks;

  /**
   * Machine code for vectors of so many bits.
   *
   * @param rest what does the rest, with tiles of two such vectors a row, or of three of 512 bits
   */
  MachineMicroKernel(int bits, MicroKernel rest) {
    this.rest = rest;
    int vectors = rest.columns() / (bits / Float.SIZE);
    this.panel = new MachinePanel(name(), PanelCode.Elements.FLOATS, vectors, bits);
    this.masks = bits == 512;
    this.copyRows = masks ? MachineTier.place("copy_rows", new MoveCode().copyRows()) : null;
    this.packRows = masks ? MachineTier.place("pack_rows", new MoveCode().packRows(vectors)) : null;
    this.fill = masks ? MachineTier.place("fill", new MoveCode().fill(vectors)) : null;
  }

  @Override
  public int columns() {
    return rest.columns();
  }

  @Override
  public boolean readsWholeRows() {
    return !masks;
  }

  @Override
  public boolean warmUp() {
    return rest.warmUp();
  }

  @Override
  public String name() {
    return "gemm_f32_" + ROWS + "x" + columns() + "_asm";
  }

  @Override
  public boolean finishes() {
    return masks;
  }

  @Override
  void panel(
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
    boolean isTooFew = packed != 0 && count < ROWS;
    if (isTooFew || (!masks && columns < columns())) {
      super.panel(
          rows, offsets, b, bRow, k, start, startRow, c, cRow, count, columns, added, rectifies,
          packed);
      return;
    }
    long addedAtOnce = masks ? added : 0;
    boolean atOnce = rectifies && masks;
    panel.run(
        rows,
        offsets,
        b,
        bRow,
        k,
        start,
        startRow,
        c,
        cRow,
        count,
        columns,
        addedAtOnce,
        atOnce,
        packed);
    if (!masks) {
      finish(c, cRow, count, columns, added, rectifies);
    }
  }

  @Override
  void tile(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow) {
    panel(rows, offsets, b, bRow, k, start, startRow, c, cRow, ROWS, columns(), 0, false);
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    copyRows(from, 0, to, 0, 1, count, bias);
  }

  @Override
  public void copyRows(
      long from, long fromRow, long to, long toRow, long rows, long count, float bias) {
    if (copyRows == null) {
      super.copyRows(from, fromRow, to, toRow, rows, count, bias);
      return;
    }
    long whole = 4 * LANES * (count / LANES);
    long rest = (1L << count % LANES) - 1;
    copyRows.call(from, fromRow, to, toRow, rows, whole, rest, Float.floatToRawIntBits(bias));
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    if (packRows == null) {
      super.packRows(from, row, k, to);
      return;
    }
    packRows.call(from, row, k, to, 0);
  }

  @Override
  public void fill(long values, long c, long cRow) {
    if (fill == null) {
      super.fill(values, c, cRow);
      return;
    }
    fill.call(values, c, cRow);
  }

  @Override
  MicroKernel target() {
    return rest;
  }
}
