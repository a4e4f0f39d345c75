package io.quern.cpu.gemm;

import io.quern.cpu.MachineTier;

/**
 * Products of rows of floats and rows of block-quantised weights, read where they lie. Immutable
 * and thread-safe.
 *
 * <p>All implementations share the order of sums: the products of a word's weights {@code q - zero}
 * are added in their order, the first one rounded, the others by fused multiply-adds; that times
 * the scale of the word's block is added, fused, to the sum of its lane, {@code word %} {@value
 * BlockLayout#LANES}, in the order of words; and the lanes are folded by halves.
 */
abstract class BlockProducts {
  /** Rows of floats that are multiplied at a time. */
  static final int MOST_ROWS = 8;

  final BlockLayout layout;

  BlockProducts(BlockLayout layout) {
    this.layout = layout;
  }

  /** The implementation of this process, for so many rows of floats in all. */
  static BlockProducts of(BlockLayout layout, boolean hasZeros, long rows) {
    return MachineTier.has512Bits()
        ? new MachineBlockProducts(layout, hasZeros, rows)
        : new CompiledBlockProducts(layout);
  }

  /** Waits for the fast loops. */
  boolean warmUp() {
    return true;
  }

  /** Bytes of so many rows of floats in the order in which they are read. */
  final long spreadBytes(long rows) {
    return 4 * layout.depth() * rows;
  }

  /** Brings up to {@value #MOST_ROWS} rows of k floats into that order. */
  abstract void spread(long from, int rows, long to);

  /**
   * Multiplies rows with some rows of weights.
   *
   * @param zeros address of the zero points as floats, like the scales, or 0 without any
   * @param spread address of what {@link #spread} gave for so many rows
   * @param count rows of weights
   * @param toRow bytes from the results of a row of floats to those of the next
   */
  abstract void run(
      long weights,
      long scales,
      long zeros,
      long spread,
      int rows,
      long count,
      long to,
      long toRow);
}
