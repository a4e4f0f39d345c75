package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;
import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * The innermost loop of matrix products and convolutions: a tile of {@link #ROWS} rows by {@link
 * #columns()} columns of C, accumulated over k in ascending order by fused multiply-adds. The bits
 * of an element depend on nothing but its own products, so all implementations agree.
 */
public abstract class MicroKernel {
  /** Rows of a tile: its sums, two vectors a row, fill most of the 32 or 16 vector registers. */
  public static final int ROWS = VectorTier.chosen().bits() == 512 ? 8 : 6;

  private static final int WIDE_BITS = 512;
  private static final int WIDE_COLUMNS = 3 * WIDE_BITS / Float.SIZE;

  /** Wide panels of which one that is not whole does not matter. */
  private static final int MANY = 8;

  /** Columns of the widest tile, which is that of the scalar loops. */
  private static final int MOST_COLUMNS = 64;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final MicroKernel INSTANCE = choose();

    private static MicroKernel choose() {
      VectorTier tier = VectorTier.chosen();
      if (!MachineTier.isUsed()) {
        return tier.usesApi() ? vectors() : new ScalarMicroKernel(MOST_COLUMNS);
      }
      MicroKernel rest =
          tier.usesApi() ? vectors() : new ScalarMicroKernel(2 * tier.bits() / Float.SIZE);
      return new MachineMicroKernel(tier.bits(), rest);
    }

    private static MicroKernel vectors() {
      return Twins.warms() ? new WarmingMicroKernel() : VectorMicroKernel.create();
    }
  }

  /** Tiles of three vectors a row, which fewer loads serve, or else the others. */
  private static final class Wide {
    static final MicroKernel INSTANCE = choose();

    private static MicroKernel choose() {
      return MachineTier.isUsed() && VectorTier.chosen().bits() == WIDE_BITS
          ? new MachineMicroKernel(WIDE_BITS, new ScalarMicroKernel(WIDE_COLUMNS))
          : chosen();
    }
  }

  /** The implementation of this process. */
  public static MicroKernel chosen() {
    return Chosen.INSTANCE;
  }

  /** The implementation with the widest tiles, which may be {@link #chosen()}. */
  public static MicroKernel wide() {
    return Wide.INSTANCE;
  }

  /** The implementation whose tiles waste least for a matrix of so many columns. */
  static MicroKernel forColumns(long columns) {
    boolean isMostlyWhole = columns % WIDE_COLUMNS == 0 || columns > MANY * WIDE_COLUMNS;
    return isMostlyWhole && columns > 0 ? Wide.INSTANCE : chosen();
  }

  /** Columns of a tile. */
  public abstract int columns();

  /** Whether rows of B are read up to {@link #columns()}, however few the panel has. */
  public boolean readsWholeRows() {
    return true;
  }

  /** Whether panels are added to and rectified as they are stored. */
  public boolean finishes() {
    return false;
  }

  /** Waits until it is as fast as it will be; false when it stays slower than it could be. */
  public boolean warmUp() {
    return true;
  }

  /** Name of the algorithm. */
  public abstract String name();

  /**
   * Computes one tile, the sum of another and of a product. Element {@code t} of row {@code i} of A
   * is read at {@code rows[i] + offsets[t]}, row {@code t} of B, {@link #columns()} floats, at
   * {@code b + t * bRow}.
   *
   * @param rows address of a table of {@link #ROWS} addresses
   * @param offsets address of a table of k ints, offsets in bytes, not negative
   * @param bRow not negative and less than 2^31
   * @param start address of the tile to add to, {@code startRow} bytes from row to row, which may
   *     be the result's own, or 0
   * @param c address of the result, {@code cRow} bytes from row to row
   */
  abstract void tile(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow);

  /**
   * Computes a panel, tiles below each other, the last of which may have fewer rows.
   *
   * @param rows address of a table of the addresses of A's rows, of whole tiles
   * @param start address of the panel to add to, {@code startRow} bytes from row to row, which may
   *     be the result's own, or 0
   * @param count rows of the panel
   * @param columns columns of the panel, at most {@link #columns()}
   * @param added address of what is added to the results, {@code cRow} bytes from row to row, or 0
   * @param rectifies whether results that are then not above zero become zero; NaN stays
   */
  public final void panel(
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
      boolean rectifies) {
    panel(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, columns, added, rectifies, 0);
  }

  /**
   * The same for a panel of B that is packed on the way, unless {@code packed} is 0 or something is
   * added.
   *
   * @param bRow more than 4 for one that is packed
   * @param packed address of {@code k} rows of {@link #columns()} floats, which are overwritten
   */
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
    if (packed != 0) {
      Packing.packB(this, b, bRow, 4, columns, k, packed, 0);
      panel(
          rows,
          offsets,
          packed,
          4L * columns(),
          k,
          start,
          startRow,
          c,
          cRow,
          count,
          columns,
          added,
          rectifies,
          0);
      return;
    }
    long whole = columns == columns() ? count / ROWS * ROWS : 0;
    for (long i = 0; i < whole; i += ROWS) {
      tile(rows + 8 * i, offsets, b, bRow, k, start + i * startRow, startRow, c + i * cRow, cRow);
    }
    if (whole < count) {
      long row = 4L * columns();
      MemoryPool.Block aside = HostMemory.shared().allocate(ROWS * row);
      long to = aside.address();
      Raw.zero(to, ROWS * row);
      for (long i = whole; i < count; i += ROWS) {
        long present = Math.min(ROWS, count - i);
        copyRows(start + i * startRow, startRow, to, row, present, columns, -0f);
        tile(rows + 8 * i, offsets, b, bRow, k, to, row, to, row);
        copyRows(to, row, c + i * cRow, cRow, present, columns, -0f);
      }
      HostMemory.shared().free(aside);
    }
    finish(c, cRow, count, columns, added, rectifies);
  }

  /** Adds something to a panel and rectifies it. */
  static void finish(long c, long cRow, long count, long columns, long added, boolean rectifies) {
    if (added == 0 && !rectifies) {
      return;
    }
    for (long i = 0; i < count; i++) {
      for (long at = i * cRow; at < i * cRow + 4 * columns; at += 4) {
        float sum = Raw.getFloat(c + at);
        float value = added == 0 ? sum : sum + Raw.getFloat(added + at);
        Raw.putFloat(c + at, rectifies && value <= 0 ? 0 : value);
      }
    }
  }

  /** The same, added to what is there or to nothing. */
  public final void panel(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long c,
      long cRow,
      long count,
      long columns,
      boolean accumulate) {
    panel(rows, offsets, b, bRow, k, c, cRow, count, columns, accumulate, 0);
  }

  /** The same, packing B on the way unless {@code packed} is 0. */
  final void panel(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long c,
      long cRow,
      long count,
      long columns,
      boolean accumulate,
      long packed) {
    long start = accumulate ? c : Nothing.ROW;
    long startRow = accumulate ? cRow : 0;
    panel(rows, offsets, b, bRow, k, start, startRow, c, cRow, count, columns, 0, false, packed);
  }

  /**
   * Address of a row that changes no sum; it is added to all rows of a panel at a distance of 0.
   */
  public static long nothing() {
    return Nothing.ROW;
  }

  /** Bytes of a table of rows. */
  public static long tableBytes(long rows) {
    return 8 * (rows + ROWS);
  }

  /** Fills a table of rows packed by {@link Packing#packA}, with those that fill up a tile. */
  public static void packedRows(long table, long packed, long k, long count) {
    for (long i = 0; i < count; i += ROWS) {
      evenRows(table + 8 * i, packed + 4 * i * k, 4, ROWS);
    }
  }

  /** What changes no sum: a row of negative zeros. */
  private static final class Nothing {
    private static final Arena OWNER = Arena.ofAuto();
    static final long ROW = row();

    private static long row() {
      long row = OWNER.allocate(4L * MOST_COLUMNS, 64).address();
      for (int i = 0; i < MOST_COLUMNS; i++) {
        Raw.putFloat(row + 4L * i, -0f);
      }
      return row;
    }
  }

  /** Fills a table of rows that lie {@code row} bytes apart. */
  public static void evenRows(long table, long first, long row, long count) {
    for (long i = 0; i < count; i++) {
      Raw.putLong(table + 8 * i, first + i * row);
    }
  }

  /** Fills the rows of a tile, {@code cRow} bytes apart, with a float each from {@code values}. */
  public abstract void fill(long values, long c, long cRow);

  /** Copies {@code count} floats and adds {@code bias} to each. */
  public abstract void copyRow(long from, long to, long count, float bias);

  /** Copies {@code rows} rows of {@code count} floats and adds {@code bias} to each. */
  public abstract void copyRows(
      long from, long fromRow, long to, long toRow, long rows, long count, float bias);

  /** Packs {@code k} rows of {@link #columns()} floats, {@code row} bytes apart, one by one. */
  public abstract void packRows(long from, long row, long k, long to);

  /**
   * Packs {@code k} rows of {@link #columns()} floats, {@code offsets[t]} bytes from an address.
   */
  public abstract void gatherRows(long from, long offsets, long k, long to);

  /**
   * Packs k elements of {@link #ROWS} rows, {@code row} bytes apart, whose elements are neighbours:
   * element t of row i goes to {@code to + (t * ROWS + i) * 4}.
   */
  public void packColumns(long from, long row, long k, long to) {
    for (int i = 0; i < ROWS; i += 2) {
      packPair(from + i * row, from + (i + 1) * row, k, to + 4L * i);
    }
  }

  private static void packPair(long from0, long from1, long k, long to) {
    for (long at = 0; at < 4 * k; at += 4) {
      float x0 = Raw.getFloat(from0 + at);
      float x1 = Raw.getFloat(from1 + at);
      Raw.putFloat(to, x0);
      Raw.putFloat(to + 4, x1);
      to += 4L * ROWS;
    }
  }
}
