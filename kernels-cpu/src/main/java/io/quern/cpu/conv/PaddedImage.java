package io.quern.cpu.conv;

/**
 * A copy of one group of one image with zeros around it, from which the micro-kernel reads the
 * windows of a convolution in place: windows begin at offsets, and their elements lie at the same
 * offsets from where they begin. Immutable and thread-safe.
 */
interface PaddedImage {
  /** Whether there is a copy at all; otherwise the image itself is read. */
  boolean isCopy();

  /** Bytes of the copy. */
  long bytes();

  /** Rows of the copy. */
  int copiedRows();

  /** Copies some of these rows. */
  void copyRows(long image, int first, int end, long to);

  /** Bytes from where the first output's window begins to where another's does. */
  long offset(int y, int x);

  /** Address of a table of offsets of the elements of a window, in the order of packed weights. */
  long offsets();
}
