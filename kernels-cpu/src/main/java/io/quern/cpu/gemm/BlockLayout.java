package io.quern.cpu.gemm;

import io.quern.op.BlockMatMul;

/**
 * How a row of block-quantised weights lies in memory: words of 32 bits, of which a vector has
 * {@value #LANES}, with some weights each.
 *
 * @param bits of a weight, 4 or 8
 * @param block weights that share a scale, a power of two
 * @param k weights of a row that count
 */
record BlockLayout(int bits, int block, long k) {
  /** Words that are added up apart from each other: word i of a row to sum i modulo this. */
  static final int LANES = 16;

  BlockLayout(BlockMatMul op, long k) {
    this(op.bits(), op.block(), k);
  }

  long blocks() {
    return (k + block - 1) / block;
  }

  int blockBytes() {
    return block * bits / 8;
  }

  long rowBytes() {
    return blocks() * blockBytes();
  }

  int perWord() {
    return 32 / bits;
  }

  /** Vectors of a row, the last of which may be less than full. */
  long vectors() {
    return (rowBytes() + 4 * LANES - 1) / (4 * LANES);
  }

  /** Words of that many vectors. */
  long words() {
    return vectors() * LANES;
  }

  /** Weights of that many vectors. */
  long depth() {
    return words() * perWord();
  }

  /** The zero point of blocks that have none of their own. */
  int middle() {
    return 1 << (bits - 1);
  }
}
