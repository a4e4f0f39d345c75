package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;
import io.quern.runtime.Raw;

/** The scalar twin with tiles of the vector kernel's size, and that one once it is compiled. */
final class WarmingMicroKernel extends ForwardingMicroKernel {
  /** Two vectors of 4-byte floats; without a look at classes of the Vector API. */
  private static final int COLUMNS = 2 * VectorTier.chosen().bits() / 32;

  private static final int DEPTH = 32;

  private final Twins<MicroKernel> twins =
      Twins.ofKernel(
          "matrix products",
          () -> new ScalarMicroKernel(COLUMNS),
          VectorMicroKernel::create,
          kernel -> Trial.run(4, DEPTH * COLUMNS, operands -> tryOut(kernel, operands)));

  private static void tryOut(MicroKernel kernel, Operands o) {
    long a = o.address(0);
    long b = o.address(1);
    long c = o.address(2);
    long rows = o.address(3);
    long offsets = rows + 8L * ROWS;
    long row = 4L * COLUMNS;
    Packing.offsets(offsets, DEPTH, 4L * ROWS);
    evenRows(rows, a, 4, ROWS);
    for (int i = 0; i < 2; i++) {
      kernel.panel(rows, offsets, b, row, DEPTH, c, row, ROWS, COLUMNS, i > 0);
    }
    kernel.gatherRows(a, offsets, 2, c + (2L * ROWS + 10) * row);
    Raw.zero(rows, 8L * ROWS); // addresses differ from trial to trial
    kernel.fill(a, c + ROWS * row, row);
    kernel.copyRow(a, c + 2L * ROWS * row, COLUMNS + 3, 0.5f);
    kernel.copyRows(a, row, c + 2L * ROWS * row, 4L * COLUMNS - 12, 2, COLUMNS - 5, 0.5f);
    kernel.packRows(a, row, 4, c + 2L * (ROWS + 1) * row);
    kernel.packColumns(a, row, COLUMNS, c + 2L * (ROWS + 3) * row);
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
    return "gemm_f32_" + ROWS + "x" + COLUMNS;
  }

  @Override
  MicroKernel target() {
    return twins.get();
  }
}
