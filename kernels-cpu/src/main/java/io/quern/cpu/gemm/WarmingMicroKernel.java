package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;

/** The scalar twin with tiles of the vector kernel's size, and that one once it is compiled. */
final class WarmingMicroKernel extends MicroKernel {
  /** Two vectors of 4-byte floats; without a look at classes of the Vector API. */
  private static final int COLUMNS = 2 * VectorTier.chosen().bits() / 32;

  private static final int DEPTH = 32;

  private final Twins<MicroKernel> twins =
      Twins.ofKernel(
          "matrix products",
          () -> new ScalarMicroKernel(COLUMNS),
          VectorMicroKernel::new,
          kernel -> Trial.run(4, DEPTH * COLUMNS, operands -> tryOut(kernel, operands)));

  private static void tryOut(MicroKernel kernel, Operands o) {
    long a = o.address(0);
    long b = o.address(1);
    long c = o.address(2);
    long offsets = o.address(3);
    long row = 4L * COLUMNS;
    Packing.rowOffsets(offsets, DEPTH, row);
    for (int i = 0; i < 2; i++) {
      kernel.tile(a, a + 4, a + 8, a + 12, a + 16, a + 20, 24, b, offsets, DEPTH, c, row, i > 0);
    }
    kernel.fill(a, c + ROWS * row, row);
    kernel.copyRow(a, c + 2 * ROWS * row, COLUMNS + 3, 0.5f);
    kernel.packRows(a, row, 4, c + 2 * (ROWS + 1) * row);
  }

  @Override
  public int columns() {
    return COLUMNS;
  }

  @Override
  public boolean warmUp() {
    return twins.await();
  }

  @Override
  public String name() {
    return "gemm_f32_6x" + COLUMNS;
  }

  @Override
  public void tile(
      long a0,
      long a1,
      long a2,
      long a3,
      long a4,
      long a5,
      long step,
      long b,
      long offsets,
      long k,
      long c,
      long cRow,
      boolean accumulate) {
    twins.get().tile(a0, a1, a2, a3, a4, a5, step, b, offsets, k, c, cRow, accumulate);
  }

  @Override
  public void fill(long values, long c, long cRow) {
    twins.get().fill(values, c, cRow);
  }

  @Override
  public void copyRow(long from, long to, long count, float bias) {
    twins.get().copyRow(from, to, count, bias);
  }

  @Override
  public void packRows(long from, long row, long k, long to) {
    twins.get().packRows(from, row, k, to);
  }
}
