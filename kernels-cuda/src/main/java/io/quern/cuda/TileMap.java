package io.quern.cuda;

/**
 * Matrices of 16-bit floats as copies of tiles see them, the driver's {@code CUtensorMap}. Their
 * rows, matrices and batches are multiples of 16 bytes apart.
 *
 * @param bf16 whether elements are BF16, else F16
 * @param inner elements of a row
 * @param rows rows of a matrix
 * @param matrices matrices of a batch
 * @param batches number of batches
 * @param rowBytes bytes between rows
 * @param matrixBytes bytes between matrices
 * @param batchBytes bytes between batches
 * @param tileInner elements of a row of a tile
 * @param tileRows rows of a tile
 */
record TileMap(
    boolean bf16,
    long inner,
    long rows,
    long matrices,
    long batches,
    long rowBytes,
    long matrixBytes,
    long batchBytes,
    int tileInner,
    int tileRows) {
  /** Words of the driver's struct, at a multiple of as many. */
  static final int WORDS = 16;
}
