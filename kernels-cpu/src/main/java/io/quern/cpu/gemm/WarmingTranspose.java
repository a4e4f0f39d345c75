package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/** The scalar twin until the vector one is compiled. */
final class WarmingTranspose extends Transpose {
  private static final int ROWS = 35;
  private static final int COLUMNS = 20;

  private final Twins<Transpose> twins =
      Twins.ofKernel(
          "transposition",
          Transpose::new,
          () -> new VectorTranspose(),
          one -> Trial.run(3, ROWS * COLUMNS, operands -> tryOut(one, operands)));

  private static void tryOut(Transpose one, Operands o) {
    one.run(o.address(0), 4L * COLUMNS, ROWS, COLUMNS, o.address(1), 4L * ROWS, o.address(2));
    Raw.zero(o.address(2), SCRATCH); // what is left there does not matter
  }

  @Override
  public void run(
      long from, long fromRow, long rows, long columns, long to, long toRow, long scratch) {
    twins.get().run(from, fromRow, rows, columns, to, toRow, scratch);
  }
}
