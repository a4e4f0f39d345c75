package io.quern.cpu.gemm;

/** Leaves to another one whatever an extending class does not do itself. */
abstract class ForwardingMicroKernel extends MicroKernel {
  /** The other one. */
  abstract MicroKernel target();

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
    target().tile(rows, offsets, b, bRow, k, start, startRow, c, cRow);
  }

  @Override
  public void fill(long values, long c, long cRow) {
    target().fill(values, c, cRow);
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    target().copyRow(from, to, count, bias);
  }

  @Override
  public void copyRows(
      long from, long fromRow, long to, long toRow, long rows, long count, float bias) {
    target().copyRows(from, fromRow, to, toRow, rows, count, bias);
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    target().packRows(from, row, k, to);
  }

  @Override
  public void gatherRows(long from, long offsets, long k, long to) {
    target().gatherRows(from, offsets, k, to);
  }

  @Override
  public void packColumns(long from, long row, long k, long to) {
    target().packColumns(from, row, k, to);
  }
}
