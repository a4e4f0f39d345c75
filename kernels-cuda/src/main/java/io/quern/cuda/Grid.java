package io.quern.cuda;

/**
 * How many threads a launch has.
 *
 * @param x blocks
 * @param threads threads of a block
 * @param shared bytes of shared memory of a block beyond what the function declares
 */
record Grid(int x, int y, int z, int threads, int shared) {
  /** Blocks in a row. */
  static Grid of(long blocks, int threads) {
    return new Grid(Math.toIntExact(blocks), 1, 1, threads, 0);
  }

  /** As many threads as there are items, or a few more. */
  static Grid covering(long items, int threads) {
    return of(Math.max(1, (items + threads - 1) / threads), threads);
  }

  /** Whether there is nothing to do; the driver refuses that. */
  boolean isEmpty() {
    return x == 0 || y == 0 || z == 0;
  }
}
