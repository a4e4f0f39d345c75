package io.quern.gpu;

import java.util.ArrayList;
import java.util.List;

/**
 * Sorts rows of distinct unsigned numbers of 64 bits in place, by bitonic networks of {@code
 * scan.cu} (Batcher, Sorting networks and their applications, 1968). What is in reach of a block's
 * shared memory is one launch.
 */
final class Sorting {
  private static final String FILE = "scan";
  private static final int SMALL = 512;
  private static final int LARGE = 4096;
  private static final int THREADS = 256;

  /** The most numbers of all rows, a gigabyte. */
  private static final long MOST = 1L << 27;

  private Sorting() {}

  /** The power of two that rows of {@code length} numbers are filled up to, with large numbers. */
  static long padded(long length) {
    return length <= 2 ? 2 : Long.highestOneBit(length - 1) << 1;
  }

  static boolean fits(long rows, long length) {
    return length <= MOST && padded(length) <= MOST / Math.max(1, rows);
  }

  /**
   * The launches that sort.
   *
   * @param operand where the rows are
   * @param start numbers before the first row
   * @param n length of a row, see {@link #padded}
   */
  static List<Launch> launches(GpuContext context, int operand, long start, long rows, long n) {
    int tile = n <= SMALL ? SMALL : LARGE;
    long inTile = Math.min(n, tile);
    long tiles = rows * n / inTile;
    List<Launch> launches = new ArrayList<>();
    launches.add(tiles(context, operand, start, tile, tiles, inTile, n, 2, inTile));
    for (long run = 2 * inTile; run <= n; run *= 2) {
      for (long distance = run / 2; distance >= inTile; distance /= 2) {
        Parameters parameters =
            new Parameters()
                .operand(operand)
                .number(start)
                .number(rows * n / 2)
                .number(n)
                .number(run);
        launches.add(
            Launch.of(
                context,
                FILE,
                "sort_step",
                Grid.covering(rows * n / 2, THREADS),
                parameters.number(distance)));
      }
      launches.add(tiles(context, operand, start, tile, tiles, inTile, n, run, run));
    }
    return launches;
  }

  private static Launch tiles(
      GpuContext context,
      int operand,
      long start,
      int tile,
      long tiles,
      long inTile,
      long n,
      long firstRun,
      long lastRun) {
    Parameters parameters =
        new Parameters()
            .operand(operand)
            .number(start)
            .number(inTile)
            .number(n)
            .number(firstRun)
            .number(lastRun);
    int threads = Math.clamp(inTile / 2, 32, context.gpu().blockThreads());
    return Launch.of(context, FILE, "sort_tiles_" + tile, Grid.of(tiles, threads), parameters);
  }
}
