package io.quern.opencl;

import java.util.List;

/**
 * A way to compile {@code matmul_tile.cl}.
 *
 * @param rows rows of a tile
 * @param columns columns of a tile
 * @param threads threads that make it
 * @param constants what the source wants to be defined
 */
record Tile(int rows, int columns, int threads, String constants) {
  /** Tiles of one thread, for processors with vectors and caches. */
  private static final List<Tile> FOR_CPUS =
      List.of(vectors(6, 4), vectors(12, 2), vectors(8, 3), vectors(14, 2));

  private static final List<Tile> FOR_GPUS =
      List.of(
          threads(64, 64, 16, 16, 16),
          threads(128, 64, 16, 16, 16),
          threads(128, 128, 16, 16, 8),
          threads(64, 64, 8, 8, 16),
          threads(32, 32, 8, 8, 16));

  private static Tile vectors(int rows, int vectors) {
    String constants = "#define ROWS %d\n#define VECTORS %d\n".formatted(rows, vectors);
    return new Tile(rows, 16 * vectors, 1, constants);
  }

  private static Tile threads(int rows, int columns, int down, int across, int depth) {
    String constants =
        "#define ROWS %d\n#define COLUMNS %d\n#define DOWN %d\n#define ACROSS %d\n#define DEPTH %d\n"
            .formatted(rows, columns, down, across, depth);
    return new Tile(rows, columns, down * across, constants);
  }

  /** Tiles that are worth a try, the first one without. */
  static List<Tile> candidates(boolean forCpu) {
    return forCpu ? FOR_CPUS : FOR_GPUS;
  }

  /** A name, such as {@code 64x64 by 256}. */
  @Override
  public String toString() {
    return rows + "x" + columns + " by " + threads;
  }
}
