package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;

/**
 * The innermost loop of products of doubles: a tile of {@value #ROWS} rows by {@link #columns()}
 * columns of C, accumulated over k in ascending order by fused multiply-adds.
 */
abstract class MicroKernelF64 {
  /** Rows of a tile. */
  static final int ROWS = 6;

  /** Two vectors of 8-byte doubles. */
  private static final int COLUMNS =
      VectorTier.chosen().usesApi() ? 2 * VectorTier.chosen().bits() / 64 : 16;

  private static final int TRIAL_DEPTH = 32;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final Twins<MicroKernelF64> TWINS =
        Twins.ofKernel(
            "products of doubles",
            () -> new ScalarMicroKernelF64(COLUMNS),
            () -> new VectorMicroKernelF64(),
            kernel ->
                Trial.run(3, 2 * TRIAL_DEPTH * COLUMNS, operands -> tryOut(kernel, operands)));
  }

  private static void tryOut(MicroKernelF64 kernel, Operands o) {
    // Floats are read in pairs; as doubles their exponents lie within 100 of zero.
    for (int i = 0; i < 2; i++) {
      kernel.tile(o.address(0), o.address(1), TRIAL_DEPTH, o.address(2), 8L * COLUMNS, i > 0);
    }
  }

  /** The implementations of this process. */
  static Twins<MicroKernelF64> twins() {
    return Chosen.TWINS;
  }

  /** Columns of a tile, the same for all implementations of a process. */
  static int columns() {
    return COLUMNS;
  }

  /**
   * Computes one tile of packed operands.
   *
   * @param a address of a panel of A: element (i, t) at {@code a + (t * ROWS + i) * 8}
   * @param b address of a panel of B: element (t, j) at {@code b + (t * columns + j) * 8}
   * @param c address of the tile, {@code cRow} bytes from row to row
   * @param accumulate whether the sums are added to the tile's present content
   */
  abstract void tile(long a, long b, long k, long c, long cRow, boolean accumulate);
}
