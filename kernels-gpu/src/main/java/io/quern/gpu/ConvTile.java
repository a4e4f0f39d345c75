package io.quern.gpu;

import java.util.List;

/**
 * How a product of matrices is cut up for blocks of threads. Follows from shapes alone, since the
 * parts decide the order of sums: a rough model of a large device tells which tile is fastest.
 *
 * @param m rows of a tile
 * @param n columns of a tile
 * @param threads threads of a block
 * @param speed part of the arithmetic units' speed that many blocks reach
 * @param parts into how many parts sums are split
 */
public record ConvTile(int m, int n, int threads, double speed, int parts) {
  /** The tiles that there are, of sums in one part. */
  public static final List<ConvTile> TILES =
      List.of(
          new ConvTile(128, 128, 256, 0.8, 1),
          new ConvTile(64, 128, 128, 0.75, 1),
          new ConvTile(32, 128, 128, 0.6, 1),
          new ConvTile(32, 32, 64, 0.4, 1));

  private static final int MOST_PARTS = 512;

  // The modelled device: multiprocessors, their threads that keep it busy, products and bytes of
  // memory per clock, clocks of a launch, and steps that a block's start takes.
  private static final long MULTIPROCESSORS = 132;
  private static final double BUSY = 512;
  private static final double PRODUCTS = 128;
  private static final double BYTES = 1500;
  private static final double LAUNCH = 4000;
  private static final double START = 32;

  /** The tile for {@code groups} products [m, k] x [k, n], and the parts of their sums. */
  public static ConvTile of(long m, long n, long k, long groups) {
    ConvTile best = TILES.getFirst();
    double least = Double.POSITIVE_INFINITY;
    for (ConvTile tile : TILES) {
      for (int parts = 1; parts <= Math.clamp(k / 64, 1, MOST_PARTS); parts++) {
        ConvTile each = tile.parts(parts);
        double clocks = each.clocks(m, n, k, groups);
        if (clocks < least) {
          least = clocks;
          best = each;
        }
      }
    }
    return best;
  }

  /** This tile with sums in another number of parts. */
  public ConvTile parts(int count) {
    return new ConvTile(m, n, threads, speed, count);
  }

  /** Number of tiles of a matrix. */
  public long count(long rows, long columns) {
    return (rows + m - 1) / m * ((columns + n - 1) / n);
  }

  private double clocks(long rows, long columns, long k, long groups) {
    double rounds = Math.ceil((double) count(rows, columns) * groups * parts / MULTIPROCESSORS);
    double busy = Math.min(1, (rounds * threads + BUSY / 2) / (1.5 * BUSY));
    double steps = START + (double) k / parts;
    double products = rounds * m * n * steps / (PRODUCTS * speed * busy);
    double folded = 4.0 * groups * rows * columns * (2 * parts + 1) / BYTES + LAUNCH;
    return parts == 1 ? products : products + folded;
  }
}
