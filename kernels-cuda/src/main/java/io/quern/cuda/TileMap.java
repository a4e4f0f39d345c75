package io.quern.cuda;

/**
 * Matrices of 16-bit floats as copies of tiles see them, the driver's {@code CUtensorMap}. Their
 * rows are multiples of 16 bytes apart.
 *
 * @param word index of its first word among the parameters of a launch
 * @param operand the operand that the matrices are
 * @param bf16 whether elements are BF16, else F16
 * @param inner elements of a row
 * @param rows rows of a matrix
 * @param matrices number of matrices
 * @param rowBytes bytes between rows
 * @param matrixBytes bytes between matrices
 * @param tileInner elements of a row of a tile
 * @param tileRows rows of a tile
 */
record TileMap(
    int word,
    int operand,
    boolean bf16,
    long inner,
    long rows,
    long matrices,
    long rowBytes,
    long matrixBytes,
    int tileInner,
    int tileRows) {
  /** Words of the driver's struct, at a multiple of as many. */
  static final int WORDS = 16;

  TileMap at(int newWord) {
    return new TileMap(
        newWord, operand, bf16, inner, rows, matrices, rowBytes, matrixBytes, tileInner, tileRows);
  }
}
