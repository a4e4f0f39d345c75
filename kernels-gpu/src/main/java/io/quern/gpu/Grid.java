package io.quern.gpu;

/**
 * How many threads a launch has.
 *
 * @param x blocks, of which a thread knows its own by three numbers
 * @param threads threads of a block
 * @param shared bytes of shared memory of a block beyond what the function declares
 */
public record Grid(int x, int y, int z, int threads, int shared) {
  /** Blocks in a row. */
  public static Grid of(long blocks, int threads) {
    return new Grid(Math.toIntExact(blocks), 1, 1, threads, 0);
  }

  /** As many threads as there are items, or a few more. */
  public static Grid covering(long items, int threads) {
    return of(Math.max(1, (items + threads - 1) / threads), threads);
  }

  /** Whether there is nothing to do; the driver refuses that. */
  public boolean isEmpty() {
    return x == 0 || y == 0 || z == 0;
  }
}
