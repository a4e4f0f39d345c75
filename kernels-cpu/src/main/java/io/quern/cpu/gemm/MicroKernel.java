package io.quern.cpu.gemm;

import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;

/**
 * The innermost loop of matrix products and convolutions: a tile of {@value #ROWS} rows by {@link
 * #columns()} columns of C, accumulated over k in ascending order by fused multiply-adds. The bits
 * of an element depend on nothing but its own products, so all implementations agree.
 */
public abstract class MicroKernel {
  /** Rows of a tile. */
  public static final int ROWS = 6;

  private static final int SCALAR_COLUMNS = 64;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final MicroKernel INSTANCE = choose();

    private static MicroKernel choose() {
      if (!VectorTier.chosen().isVector()) {
        return new ScalarMicroKernel(SCALAR_COLUMNS);
      }
      return Twins.warms() ? new WarmingMicroKernel() : new VectorMicroKernel();
    }
  }

  /** The implementation of this process. */
  public static MicroKernel chosen() {
    return Chosen.INSTANCE;
  }

  /** Columns of a tile. */
  public abstract int columns();

  /** Waits until it is as fast as it will be; false when it stays slower than it could be. */
  public boolean warmUp() {
    return true;
  }

  /** Name of the algorithm. */
  public abstract String name();

  /**
   * Computes one tile. Row {@code i} of A is read at {@code a_i + t * step}, row {@code t} of B,
   * {@link #columns()} floats, at {@code b + offsets[t]}; {@code offsets} is the address of k ints.
   *
   * @param step bytes from an element of A to the next of its row
   * @param c address of the tile, {@code cRow} bytes from row to row
   * @param accumulate whether the sums are added to the tile's present content
   */
  public abstract void tile(
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
      boolean accumulate);

  /** Fills the rows of a tile, {@code cRow} bytes apart, with a float each from {@code values}. */
  public abstract void fill(long values, long c, long cRow);

  /** Copies {@code count} floats and adds {@code bias} to each. */
  public abstract void copyRow(long from, long to, long count, float bias);

  /** Packs {@code k} rows of {@link #columns()} floats, {@code row} bytes apart, one by one. */
  public abstract void packRows(long from, long row, long k, long to);
}
