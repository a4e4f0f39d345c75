package io.quern.cpu.gemm;

/** Panels by machine code; the rest by another implementation. */
final class MachineMicroKernel extends ForwardingMicroKernel {
  private final MachinePanel panel;
  private final MicroKernel rest;
  private final boolean masks;

  /**
   * Machine code for vectors of so many bits.
   *
   * @param rest what does the rest, with tiles of two such vectors a row
   */
  MachineMicroKernel(int bits, MicroKernel rest) {
    this.rest = rest;
    this.panel = new MachinePanel(name(), PanelCode.Elements.FLOATS, bits);
    this.masks = bits == 512;
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
    return rest.name() + "_asm";
  }

  @Override
  public void panel(
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
    if (!masks && columns < columns()) {
      super.panel(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, columns);
      return;
    }
    panel.run(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, columns);
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
    panel(rows, offsets, b, bRow, k, start, startRow, c, cRow, ROWS, columns());
  }

  @Override
  MicroKernel target() {
    return rest;
  }
}
